#pragma once

#include <string>
#include <vector>

namespace weft {

/// A file to download and the SHA-256 it must have, in hexadecimal.
struct DownloadFile {
  std::string name;
  std::string sha256;
};

/// What to download from where. Mirrors are base URLs, tried in turn; one that fails any file is left for the next.
struct DownloadOptions {
  std::vector<std::string> mirrors;
  std::vector<DownloadFile> files;
  int connect_seconds = 5;  ///< until a connection stands
  int stall_seconds = 5;    ///< with less than 8 KB a second arriving
  int total_seconds = 120;  ///< for one file
};

/// The four files of MNIST, with the mirrors of this source, or those of WEFT_MNIST_MIRROR where that is set: base URLs parted by
/// spaces; an empty text turns downloads off.
DownloadOptions mnist_download();

/// Brings all files into `folder` (made if missing) with the program `curl`; a file moves into place only after the program
/// `sha256sum` has confirmed it, and one that is already there and right is kept. True if all are there; each failure leaves
/// one line in `remarks`. Never throws for a fault of the network, the disk or a missing program.
bool download(const DownloadOptions& options, const std::string& folder, std::vector<std::string>& remarks);

}  // namespace weft
