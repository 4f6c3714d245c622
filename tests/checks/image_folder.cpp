#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/core/error.hpp>
#include <weft/data/image_folder.hpp>
#include <weft/tests/oracle/format_error.hpp>
#include <weft/tests/oracle/jpeg_bytes.hpp>
#include <weft/tests/oracle/largest_allocation.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

using namespace weft;
using oracle::format_error;
using oracle::jpeg_bytes;
using oracle::plain_jpeg;
using oracle::ScratchFolder;

namespace {

constexpr int kRounding = 4;  // of colours and coefficients at quality 100

using Labels = std::vector<std::int32_t>;

std::string image(int red) { return plain_jpeg(12, 10, static_cast<unsigned char>(red), 100, 50); }

/// Cats and dogs of several names and endings, told apart by their red.
void write_pets(const ScratchFolder& folder) {
  folder.write("pets/train/dogs/b.jpg", image(0));
  folder.write("pets/train/dogs/a.JPEG", image(20));
  folder.write("pets/train/cats/c.jpeg", image(40));
  folder.write("pets/train/cats/.hidden", "no image");
  folder.write("pets/train/labels.csv", "beside the classes");
  folder.write("pets/test/dogs/d.JPG", image(80));
  folder.write("pets/test/cats/e.jpg", image(100));
}

bool has_reds(const ImageSet& set, const std::vector<int>& reds) {
  if (set.size != static_cast<std::int64_t>(reds.size()) || set.pixels.size() % reds.size() != 0) return false;
  for (std::size_t i = 0; i < set.pixels.size(); i += 3)
    if (std::abs(set.pixels[i] - reds[i * reds.size() / set.pixels.size()]) > kRounding) return false;
  return true;
}

std::string failure(const std::string& folder) {
  return format_error([&] { load_image_folder(folder, 16); });
}

void check_names(const std::string& message, const std::string& path, const std::string& must_name) {
  CAPTURE(message);
  CAPTURE(must_name);
  CHECK(message.find("'" + path + "'") != std::string::npos);
  CHECK(message.find(must_name) != std::string::npos);
}

/// The pixel at (y, x) of a picture without two neighbours alike.
std::uint8_t texture(int y, int x) { return static_cast<std::uint8_t>((y * 67 + x * x * 29 + x * y * 3) % 200); }

/// That picture in grey.
std::string textured(int height, int width) {
  std::string pixels;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) pixels += static_cast<char>(texture(y, x));
  return jpeg_bytes(pixels, height, width, {.channels = 1});
}

/// A triangle of half-width max(1, square / side) around each pixel's centre, the outermost pixels repeated: one axis of the filter.
double filtered(int square, int side, int at, const std::vector<double>& line) {
  const double scale = static_cast<double>(square) / side, half = std::max(1.0, scale), centre = (at + 0.5) * scale - 0.5;
  double sum = 0, weights = 0;
  for (int i = static_cast<int>(std::floor(centre - half)); i <= static_cast<int>(std::ceil(centre + half)); ++i) {
    const double weight = std::max(0.0, 1 - std::abs(i - centre) / half);
    sum += weight * line[static_cast<std::size_t>(std::clamp(i, 0, square - 1))], weights += weight;
  }
  return sum / weights;
}

/// How far a loaded picture is from the filter applied to its central square.
double worst_of_texture(const ImageSet& set, int height, int width) {
  const int side = set.lattice.h, square = std::min(height, width), y0 = (height - square) / 2, x0 = (width - square) / 2;
  double worst = 0;
  for (int y = 0; y < side; ++y) {
    std::vector<double> column;
    for (int x = 0; x < square; ++x) {
      std::vector<double> line;
      for (int i = 0; i < square; ++i) line.push_back(texture(y0 + i, x0 + x));
      column.push_back(filtered(square, side, y, line));
    }
    for (int x = 0; x < side; ++x)
      for (int c = 0; c < 3; ++c)
        worst = std::max(worst, std::abs(set.pixels[static_cast<std::size_t>((y * side + x) * 3 + c)] - filtered(square, side, x, column)));
  }
  return worst;
}

}  // namespace

TEST_CASE("each folder is a class, in the order of names") {
  const ScratchFolder folder;
  write_pets(folder);
  CHECK(is_image_folder(folder / "pets"));
  const ImageData data = load_image_folder(folder / "pets/", 16);
  CHECK(data.name == "own images pets");
  CHECK(data.source == folder / "pets/");
  CHECK(data.train.lattice == Lattice{16, 16, 3});
  CHECK(data.train.classes == 2);
  CHECK(data.train.labels == Labels{0, 1, 1});
  CHECK(has_reds(data.train, {40, 20, 0}));
  CHECK(data.test.labels == Labels{0, 1});
  CHECK(data.test.classes == 2);
  CHECK(has_reds(data.test, {100, 80}));
  CHECK(data.validation.size == 0);
}

TEST_CASE("val/ beside test/ is for validation, alone for the test") {
  const ScratchFolder folder;
  write_pets(folder);
  folder.write("pets/val/cats/f.jpg", image(120));
  folder.write("pets/val/dogs/g.jpg", image(140));
  const ImageData both = load_image_folder(folder / "pets", 16);
  CHECK(has_reds(both.test, {100, 80}));
  CHECK(has_reds(both.validation, {120, 140}));
  CHECK(both.validation.labels == Labels{0, 1});
  std::filesystem::remove_all(folder / "pets/test");
  const ImageData one = load_image_folder(folder / "pets", 16);
  CHECK(has_reds(one.test, {120, 140}));
  CHECK(one.validation.size == 0);
}

TEST_CASE("Tiny ImageNet's own tree is no image folder") {
  const ScratchFolder folder;
  CHECK_FALSE(is_image_folder(folder.path()));
  CHECK_FALSE(is_image_folder(folder / "absent"));
  folder.write("tree/train/n01/images/n01_0.JPEG", "");
  CHECK_FALSE(is_image_folder(folder / "tree"));
  folder.write("flat/train/n01/n01_0.JPEG", "");
  CHECK(is_image_folder(folder / "flat"));
  folder.write("flat/wnids.txt", "");
  CHECK_FALSE(is_image_folder(folder / "flat"));
}

TEST_CASE("the central square of any image is filtered to the wanted side") {
  for (const auto& sides : std::vector<std::pair<int, int>>{{16, 16}, {64, 64}, {17, 40}, {50, 31}, {9, 30}, {1, 1}, {3, 60}}) {
    const int height = sides.first, width = sides.second;
    const ScratchFolder folder;
    for (const char* name : {"train/a", "train/b", "test/a", "test/b"})
      folder.write(std::string("set/") + name + "/a.jpg", textured(height, width));
    INFO(height, "x", width);
    CHECK(worst_of_texture(load_image_folder(folder.path() + "/set", 16).train, height, width) <= kRounding);
  }
}

TEST_CASE("a folder without what a set needs is one error that says what to do") {
  const ScratchFolder folder;
  const std::string pets = folder / "pets";
  write_pets(folder);
  folder.write("pets/test/birds/a.jpg", image(0));
  check_names(failure(pets), pets + "/test/birds", "there is no class 'birds' in train/");
  std::filesystem::remove_all(pets + "/test/birds");
  std::filesystem::create_directories(pets + "/train/birds");
  check_names(failure(pets), pets + "/train/birds", "the class has no images");
  folder.write("pets/train/birds/a.png", "");
  check_names(failure(pets), pets + "/train/birds/a.png", "not a .jpg or .jpeg file");
  std::filesystem::remove_all(pets + "/train/birds");
  CHECK(failure(pets).empty());

  folder.write("pets/train/dogs/c.jpg", "\x89PNG\r\n\x1a\n");
  check_names(failure(pets), pets + "/train/dogs/c.jpg", "Not a JPEG file: starts with 0x89 0x50");
  folder.write("pets/train/dogs/c.jpg", image(0).substr(0, 500));
  check_names(failure(pets), pets + "/train/dogs/c.jpg", "Premature end");
  std::filesystem::remove(pets + "/train/dogs/c.jpg");
  std::filesystem::create_directories(pets + "/train/dogs/c.jpg");
  check_names(failure(pets), pets + "/train/dogs/c.jpg", "a folder within the folder of a class");
  std::filesystem::remove(pets + "/train/dogs/c.jpg");

  std::filesystem::remove_all(pets + "/test");
  check_names(failure(pets), pets, "there is neither test/ nor val/");
  CHECK(failure(pets).find("hint: move some images of each class from train/<class>/ to test/<class>/") != std::string::npos);
  std::filesystem::create_directories(pets + "/test");
  check_names(failure(pets), pets + "/test", "the folder holds no folder of a class");
  std::filesystem::remove_all(pets + "/train");
  std::filesystem::create_directories(pets + "/train");
  CHECK(is_image_folder(pets));
  check_names(failure(pets), pets + "/train", "the folder holds no folder of a class");
  for (const int side : {0, 7, 1025})
    CHECK_THROWS_WITH_AS(load_image_folder(pets, side), doctest::Contains("must be in [8, 1024]"), ConfigError);
}

TEST_CASE("what would be left out or measured in vain without a word is refused") {
  const ScratchFolder folder;
  const std::string pets = folder / "pets";
  write_pets(folder);
  folder.write("pets/train/stray.jpg", image(0));
  check_names(failure(pets), pets + "/train/stray.jpg", "the image is in no class's folder");
  std::filesystem::rename(pets + "/train/stray.jpg", pets + "/test/stray.jpg");
  check_names(failure(pets), pets + "/test/stray.jpg", "the image is in no class's folder");
  std::filesystem::remove(pets + "/test/stray.jpg");
  for (const char* target : {"absent", "birds"}) {  // nowhere, and itself
    std::filesystem::create_symlink(target, pets + "/train/birds");
    check_names(failure(pets), pets + "/train/birds", "it cannot be looked into");
    std::filesystem::remove(pets + "/train/birds");
  }
  folder.write("pets/train/dogs/puppies/a.jpg", image(0));
  check_names(failure(pets), pets + "/train/dogs/puppies", "a folder within the folder of a class");
  std::filesystem::remove_all(pets + "/train/dogs/puppies");
  CHECK(failure(pets).empty());

  std::filesystem::rename(pets + "/test/cats", pets + "/felines");
  check_names(failure(pets), pets + "/test", "it has no class 'cats', which train/ has");
  std::filesystem::create_directory_symlink(pets + "/felines", pets + "/test/cats");
  CHECK(load_image_folder(pets, 16).test.labels == Labels{0, 1});
  std::filesystem::remove(pets + "/test/cats");
  for (const char* learnt : {"cats", "dogs"}) {
    std::filesystem::create_directory_symlink(pets + "/train/" + learnt, pets + "/test/cats");
    check_names(failure(pets), pets + "/test/cats", std::string("it is train/") + learnt + " itself");
    std::filesystem::remove(pets + "/test/cats");
  }
  std::filesystem::rename(pets + "/felines", pets + "/test/cats");

  std::filesystem::rename(pets + "/test", pets + "/kept");
  std::filesystem::create_directory_symlink("train", pets + "/test");
  check_names(failure(pets), pets + "/test", "it is train/ itself");
  std::filesystem::remove(pets + "/test");
  std::filesystem::rename(pets + "/kept", pets + "/test");
  std::filesystem::remove_all(pets + "/train/cats");
  check_names(failure(pets), pets + "/train", "'dogs' is the only class");
}

TEST_CASE("files and images that are too large are refused before they are stored") {
  const ScratchFolder folder;
  const std::string pets = folder / "pets", large = pets + "/train/dogs/large.jpg";
  write_pets(folder);
  folder.write("pets/train/dogs/large.jpg", "");
  std::filesystem::resize_file(large, (1 << 26) + 1);
  oracle::largest_allocation = 0;
  check_names(failure(pets), large, "the file has 67108865 bytes");
  std::string wide = image(0);
  wide.replace(wide.find("\xff\xc0") + 5, 4, "\xff\x00\xff\x00", 4);
  folder.write("pets/train/dogs/large.jpg", wide);
  check_names(failure(pets), large, "the image is 65280 pixels wide and 65280 high");
  CHECK(oracle::largest_allocation < 1 << 17);

  folder.write("pets/train/dogs/large.jpg", image(0));
  for (int i = 0; i < 2728; ++i) folder.write("pets/train/dogs/" + std::to_string(i) + ".jpg", "");
  CHECK_THROWS_WITH_AS(load_image_folder(pets, 1024), doctest::Contains("choose a smaller --side"), ConfigError);
}
