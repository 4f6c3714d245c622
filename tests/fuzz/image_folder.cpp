#include <filesystem>
#include <fstream>

#include <weft/core/parallel.hpp>
#include <weft/data/image_folder.hpp>
#include <weft/tests/fuzz/tiny_imagenet.hpp>
#include <weft/tests/oracle/jpeg_bytes.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

namespace {

/// A user's folder with two classes and one good image in each set and class.
struct Folder {
  weft::oracle::ScratchFolder scratch;
  Folder() {
    for (const char* path : {"train/a", "train/b", "test/a", "test/b"}) {
      std::filesystem::create_directories(scratch.path() + "/" + path);
      scratch.write(std::string(path) + "/good.jpg", weft::oracle::plain_jpeg(16, 12, 1, 2, 3));
    }
  }
};

}  // namespace

/// The first byte: what an image beside the good ones is called and where it lies; the others: what it holds.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  weft::set_threads(1);
  static const Folder folder;
  static const char* const kPlaces[] = {"train/a/x.jpg", "train/b/x.JPEG",   "test/a/x.jpeg", "test/b/.x.jpg",       "train/a/x.png",
                                        "train/a/x",     "train/a/\xff.jpg", "test/x.jpg",    "train/a/a,\"b|c.jpg", "train/good.jpg",
                                        "x.jpg",         "wnids.txt"};
  const std::string place = kPlaces[bytes[0] % std::size(kPlaces)];
  folder.scratch.write(place, std::string(bytes + 1, bytes + size));
  try {
    if (weft::is_image_folder(folder.scratch.path())) {
      const weft::ImageData data = weft::load_image_folder(folder.scratch.path(), 8 + bytes[0] / 16);
      weft::fuzz::check_filled(data.train);
      weft::fuzz::check_filled(data.test);
    }
  } catch (const weft::FormatError&) {
  }
  std::filesystem::remove(folder.scratch.path() + "/" + place);
  return 0;
}
