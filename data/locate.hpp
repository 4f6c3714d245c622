#pragma once

#include <string>
#include <vector>

#include <weft/data/dataset.hpp>

namespace weft {

/// A file to download and the SHA-256 it must have, in hexadecimal.
struct DownloadFile {
  std::string name;
  std::string sha256;
};

/// How to download: mirrors are base URLs, tried in turn; a mirror that fails any file is left for the next.
struct DownloadOptions {
  std::vector<std::string> mirrors;
  std::vector<DownloadFile> files;
  int connect_seconds = 5;  ///< until a connection stands
  int stall_seconds = 5;    ///< without a byte arriving
  int total_seconds = 120;  ///< for one file
};

/// The four files of MNIST, with the mirrors of the source or of WEFT_MNIST_MIRROR (a list of base URLs parted by spaces; empty: never).
DownloadOptions mnist_download();

/// Downloads all files into `folder` (made if missing) with the program `curl`; a file moves into place only after its hash
/// is checked. True if all are there; else `remarks` gains one line for each failure. Never throws for a network's fault.
bool download(const DownloadOptions& options, const std::string& folder, std::vector<std::string>& remarks);

/// Where to look for images, in this order.
struct ImagePlaces {
  std::string data;       ///< --data: a folder that holds the files, or mnist/ or fashion-mnist/ beside it; "": not given
  std::string weft_data;  ///< WEFT_DATA: the same
  std::string cache;      ///< a folder that downloads go to
  DownloadOptions mnist;
  std::vector<std::string> system;  ///< folders of installed packages
};

/// The places of this machine: the environment's WEFT_DATA and WEFT_MNIST_MIRROR, $XDG_CACHE_HOME or ~/.cache, Debian's folders.
ImagePlaces image_places(const std::string& data = "");

/// Finds MNIST, else Fashion-MNIST: `data`, `weft_data`, the cache, a download into the cache, system packages.
/// Each place that failed leaves one line in `remarks`, to be shown.
/// Throws FormatError if `data` or `weft_data` is given and holds no complete set (naming the four files), if a file found is
/// malformed, or if nothing is found at all (naming the places and the package to install).
ImageData find_images(const ImagePlaces& places, std::vector<std::string>& remarks);

}  // namespace weft
