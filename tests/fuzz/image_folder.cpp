#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include <sys/stat.h>

#include <weft/core/parallel.hpp>
#include <weft/data/image_folder.hpp>
#include <weft/tests/fuzz/tiny_imagenet.hpp>
#include <weft/tests/oracle/jpeg_bytes.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kEntryBytes = 5, kMostEntries = 8;

const char* const kPlaces[] = {"",       "train",  "train/a", "train/b", "train/c", "test",          "test/a",
                               "test/b", "test/c", "val",     "val/a",   "val/b",   "train/a/images"};
const char* const kNames[] = {"good.jpg", "x.JPEG", "x.jpeg", "x.png", "x",    ".x.jpg", "\xff.jpg",  "a,\"b|c\n.jpg",
                              "a",        "b",      "c",      "train", "test", "val",    "wnids.txt", "images"};
const char* const kTargets[] = {"good.jpg", "../b/good.jpg", "../a", "..", "../..", ".", "x.jpeg", "absent", "train", "test"};

template <class T, std::size_t n>
T chosen(T const (&choices)[n], std::uint8_t by) {
  return choices[by % n];
}

void write(const fs::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

/// Two classes with a good image in each set.
void write_good(const fs::path& root, const std::string& jpeg) {
  for (const char* place : {"train/a", "train/b", "test/a", "test/b"}) {
    fs::create_directories(root / place);
    write(root / place / "good.jpg", jpeg);
  }
}

/// An entry's place, name, kind, and two bytes that say more. No link leads out of the scratch folder from the places above.
void write_entry(const fs::path& root, const std::uint8_t* entry, const std::string& jpeg) {
  std::error_code ignored;
  const fs::path folder = root / chosen(kPlaces, entry[0]), path = folder / chosen(kNames, entry[1]);
  fs::create_directories(folder, ignored);
  fs::remove_all(path, ignored);
  std::string changed = jpeg;
  const std::size_t at = (entry[3] + std::size_t{256} * (entry[2] / 8)) % jpeg.size();
  changed[at] = static_cast<char>(entry[4]);
  switch (entry[2] % 8) {
    case 0: return write(path, jpeg);
    case 1: return write(path, jpeg.substr(0, at));
    case 2: return write(path, changed);
    case 3: return write(path, jpeg.substr(at));
    case 4: return write(path, std::string(entry[3], static_cast<char>(entry[4])));
    case 5: fs::create_directories(path, ignored); return;
    case 6: fs::create_symlink(chosen(kTargets, entry[3]), path, ignored); return;
    default: static_cast<void>(::mkfifo(path.c_str(), 0600));
  }
}

}  // namespace

/// Any bytes as entries beside the good images of a user's folder, or in their place: images whole, cut off and changed, other files,
/// folders, links and pipes. What loads is whole; all else is a FormatError. The good image is the seed of every other.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const weft::oracle::ScratchFolder scratch;
  static const std::string jpeg = weft::oracle::plain_jpeg(9, 8, 1, 2, 3);
  weft::set_threads(1);
  const fs::path root = fs::path(scratch.path()) / "own";
  fs::remove_all(root);
  write_good(root, jpeg);
  for (std::size_t i = 0; i < std::min(size / kEntryBytes, kMostEntries); ++i) write_entry(root, bytes + kEntryBytes * i, jpeg);
  try {
    if (!weft::is_image_folder(root)) return 0;
    const weft::ImageData data = weft::load_image_folder(root, 8);
    weft::fuzz::check_filled(data.train);
    weft::fuzz::check_filled(data.test);
    if (data.validation.size > 0) weft::fuzz::check_filled(data.validation);
    WEFT_CHECK(data.train.classes >= 2 && data.train.classes == data.test.classes);
  } catch (const weft::FormatError&) {
  }
  return 0;
}
