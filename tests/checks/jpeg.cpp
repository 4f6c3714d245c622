#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <weft/data/jpeg.hpp>
#include <weft/tests/oracle/format_error.hpp>
#include <weft/tests/oracle/jpeg_bytes.hpp>
#include <weft/tests/oracle/largest_allocation.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

using namespace weft;
using oracle::format_error;
using oracle::jpeg_bytes;
using oracle::JpegKind;

namespace {

constexpr std::size_t kFixedBuffers = 1 << 17;  // what the decoder holds whatever the file claims
constexpr int kRounding = 4;                    // of colours and coefficients at quality 100

/// Something smooth: quality 100 keeps it but for rounding.
std::string picture(int height, int width, int channels) {
  std::string pixels;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) pixels += static_cast<char>(60 + 60 * c + (x * (c + 1) + 2 * y) % 70 / 3);
  return pixels;
}

struct Decoded {
  int height, width;
  std::vector<std::uint8_t> pixels;
};

Decoded decoded(const std::string& bytes) {
  Jpeg jpeg({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, "some.jpg");
  Decoded image{jpeg.height(), jpeg.width(), {}};
  if (std::int64_t{1} * image.height * image.width > 1 << 20) return image;
  image.pixels.resize(std::size_t{3} * static_cast<std::size_t>(image.height * image.width));
  jpeg.decode(image.pixels.data());
  return image;
}

/// The largest difference of a decoded image from what was encoded.
int worst(const Decoded& image, const std::string& pixels, int channels) {
  int most = 0;
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const std::size_t at = channels == 3 ? i : i / 3;
    most = std::max(most, std::abs(int{image.pixels[i]} - int{static_cast<std::uint8_t>(pixels[at])}));
  }
  return most;
}

std::string failure(const std::string& bytes) {
  return format_error([&] { decoded(bytes); });
}

void check_refused(const std::string& bytes, const std::string& must_name) {
  const std::string message = failure(bytes);
  CAPTURE(message);
  CHECK(message.find("jpeg 'some.jpg'") != std::string::npos);
  CHECK(message.find(must_name) != std::string::npos);
}

/// The same file with other sides in its frame header.
std::string with_sides(std::string bytes, int height, int width, bool progressive) {
  const std::size_t at = bytes.find(progressive ? "\xff\xc2" : "\xff\xc0") + 5;
  for (const int side : {height, width}) {
    const std::size_t i = at + (side == height ? 0 : 2);
    bytes[i] = static_cast<char>(side >> 8), bytes[i + 1] = static_cast<char>(side);
  }
  return bytes;
}

/// What `call` writes to stderr.
template <class Call>
std::string standard_error_of(Call call) {
  const oracle::ScratchFolder folder;
  const std::string path = folder.write("stderr", "");
  const int before = ::dup(2), file = ::open(path.c_str(), O_WRONLY);
  ::dup2(file, 2);
  call();
  ::dup2(before, 2);
  ::close(file);
  ::close(before);
  return oracle::file_bytes(path);
}

}  // namespace

TEST_CASE("grey and colour, baseline and progressive, are decoded to three channels") {
  for (const int channels : {1, 3})
    for (const bool progressive : {false, true})
      for (const auto& side : std::vector<std::pair<int, int>>{{1, 1}, {64, 64}, {3, 65}, {200, 8}, {17, 33}}) {
        const std::string pixels = picture(side.first, side.second, channels);
        const Decoded image = decoded(jpeg_bytes(pixels, side.first, side.second, {.channels = channels, .progressive = progressive}));
        CHECK(image.height == side.first);
        CHECK(image.width == side.second);
        CHECK(worst(image, pixels, channels) <= kRounding);
      }
  const std::string pixels = picture(20, 30, 3);
  CHECK(worst(decoded(jpeg_bytes(pixels, 20, 30, {.scan_each = true})), pixels, 3) <= kRounding);
  CHECK(worst(decoded(jpeg_bytes(pixels, 20, 30) + "behind the image"), pixels, 3) <= kRounding);
}

TEST_CASE("what is no JPEG, or has colours of print, is refused") {
  check_refused("", "Empty input");
  check_refused("\x89PNG\r\n\x1a\n and so on", "Not a JPEG file: starts with 0x89 0x50");
  check_refused(jpeg_bytes(picture(8, 8, 4), 8, 8, {.channels = 4}), "4 components");
}

TEST_CASE("a file that ends early is refused wherever it ends, and nothing is printed") {
  std::string printed;
  for (const JpegKind kind : {JpegKind{}, JpegKind{.channels = 1}, JpegKind{.progressive = true}}) {
    const std::string bytes = jpeg_bytes(picture(24, 24, kind.channels), 24, 24, kind);
    int taken = 0;
    printed += standard_error_of([&] {
      for (std::size_t length = 0; length < bytes.size(); ++length) taken += failure(bytes.substr(0, length)).empty() ? 1 : 0;
    });
    CHECK(taken == 0);
    check_refused(bytes.substr(0, bytes.size() - 2), "Premature end of JPEG file");
  }
  CHECK(printed.empty());
}

TEST_CASE("corrupt data are refused, not filled with grey") {
  std::string bytes = jpeg_bytes(picture(64, 64, 3), 64, 64);
  bytes.replace(bytes.size() - 400, 4, "\xff\xd9\xff\xd9");
  check_refused(bytes, "Corrupt JPEG data");
}

TEST_CASE("sides that no image has are refused before any pixel is stored") {
  for (const bool progressive : {false, true}) {
    const std::string bytes = jpeg_bytes(picture(8, 8, 3), 8, 8, {.progressive = progressive});
    oracle::largest_allocation = 0;
    check_refused(with_sides(bytes, 65000, 65500, progressive), "the image is 65500 pixels wide and 65000 high; at most 67108864");
    check_refused(with_sides(bytes, 8192, 8193, progressive), "8193 pixels wide");
    check_refused(with_sides(bytes, 65535, 1, progressive), "65500");
    CHECK(oracle::largest_allocation < kFixedBuffers);
    CHECK(decoded(with_sides(bytes, 8192, 8191, progressive)).pixels.empty());  // opened, as it may be
  }
}

TEST_CASE("scans without end are refused") {
  const std::string bytes = jpeg_bytes(picture(16, 16, 3), 16, 16, {.scan_each = true});
  const std::size_t last = bytes.rfind("\xff\xda");
  const std::string scan = bytes.substr(last, bytes.size() - 2 - last);
  const auto with_scans = [&](int count) {
    std::string all = bytes.substr(0, bytes.size() - 2);
    for (int i = 3; i < count; ++i) all += scan;
    return all + "\xff\xd9";
  };
  CHECK(failure(with_scans(100)).empty());
  check_refused(with_scans(101), "more than 100 scans");
}

TEST_CASE("mutated files raise FormatError or nothing") {
  int refused = 0;
  oracle::largest_allocation = 0;
  for (const JpegKind kind : {JpegKind{.quality = 60}, JpegKind{.channels = 1}, JpegKind{.quality = 60, .progressive = true}}) {
    const std::string bytes = jpeg_bytes(picture(16, 16, kind.channels), 16, 16, kind);
    for (std::uint64_t i = 0; i < 2000; ++i) CHECK_NOTHROW(refused += failure(oracle::mutated(bytes, i)).empty() ? 0 : 1);
  }
  CHECK(refused > 3000);
  CHECK(oracle::largest_allocation <= 3 << 20);
}
