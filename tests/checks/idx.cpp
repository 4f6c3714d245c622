#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/core/files/idx.hpp>
#include <weft/core/random.hpp>
#include <weft/data/idx_images.hpp>
#include <weft/tests/oracle/format_error.hpp>
#include <weft/tests/oracle/gzipped.hpp>
#include <weft/tests/oracle/largest_allocation.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

using namespace weft;
using oracle::format_error;
using oracle::gzipped;
using oracle::ScratchFolder;

namespace {

constexpr std::size_t kFixedBuffers = 1 << 17;  // what a reader holds whatever the file claims

std::string word(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string idx_bytes(const std::vector<std::uint32_t>& extents, const std::string& data) {
  std::string bytes = word(0x0800 + static_cast<std::uint32_t>(extents.size()));
  for (const std::uint32_t extent : extents) bytes += word(extent);
  return bytes + data;
}

std::string ramp(std::size_t count) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) bytes += static_cast<char>(i * 37 + i / 256);
  return bytes;
}

/// Every 80th byte is random.
std::string mostly_zeros(std::size_t count) {
  const Random draws(1, 1);
  std::string bytes(count, '\0');
  for (std::size_t i = 0; i < count; i += 80) bytes[i] = static_cast<char>(draws.below(i, 256));
  return bytes;
}

void check_refused(const ScratchFolder& folder, const std::string& bytes, int rank, const std::string& must_name) {
  const std::string path = folder.write("hostile", bytes);
  const std::string message = format_error([&] { read_idx(path, rank); });
  CAPTURE(message);
  CHECK(message.find(path) != std::string::npos);
  CHECK(message.find(must_name) != std::string::npos);
}

}  // namespace

TEST_CASE("idx arrays of each rank are read, plain and gzip") {
  const ScratchFolder folder;
  const std::string images = idx_bytes({5, 3, 4}, ramp(60)), labels = idx_bytes({7}, ramp(7));
  for (const std::string& bytes : {images, gzipped(images)}) {
    const IdxArray array = read_idx(folder.write("images", bytes), 3);
    CHECK(array.shape == Shape{5, 3, 4});
    CHECK(std::string(array.bytes.begin(), array.bytes.end()) == ramp(60));
  }
  CHECK(read_idx(folder.write("labels", labels), 1).shape == Shape{7});
  CHECK(read_idx(folder.write("empty", gzipped(idx_bytes({0}, ""))), 1).bytes.empty());
}

TEST_CASE("a gzip file of several members reads as one stream") {
  const ScratchFolder folder;
  const std::string bytes = idx_bytes({300, 1000}, mostly_zeros(300000));
  const IdxArray array = read_idx(folder.write("members", gzipped(bytes.substr(0, 5)) + gzipped("") + gzipped(bytes.substr(5))), 2);
  CHECK(std::string(array.bytes.begin(), array.bytes.end()) == mostly_zeros(300000));
}

TEST_CASE("data that inflate by more than images do are counted first and then read") {
  const ScratchFolder folder;
  const std::string sparse = mostly_zeros(1 << 20);
  const std::string packed = gzipped(idx_bytes({1 << 10, 1 << 10}, sparse));
  REQUIRE(sparse.size() / packed.size() > 20);
  REQUIRE(sparse.size() / packed.size() < 60);
  const IdxArray array = read_idx(folder.write("sparse", packed), 2);
  CHECK(std::string(array.bytes.begin(), array.bytes.end()) == sparse);
  const std::string too_short = gzipped(idx_bytes({1025, 1 << 10}, sparse));
  std::string broken = packed;
  broken[broken.size() - 6] ^= 1;  // in the checksum
  oracle::largest_allocation = 0;
  check_refused(folder, too_short, 2, "the data end at byte 1048588");
  check_refused(folder, broken, 2, "corrupt");
  CHECK(oracle::largest_allocation < kFixedBuffers);
}

TEST_CASE("a small gzip file that inflates to much is refused before memory is taken, and read once unpacked") {
  const ScratchFolder folder;
  const std::string bytes = idx_bytes({1 << 12, 1 << 12}, std::string(1 << 24, '\0')), packed = gzipped(bytes);
  const std::string allowed = std::to_string(64 * packed.size());
  oracle::largest_allocation = 0;
  check_refused(folder, packed, 2, "is read up to 64 times its size, " + allowed);
  check_refused(folder, packed, 2, "unpack it with gunzip");
  CHECK(oracle::largest_allocation < kFixedBuffers);
  CHECK(read_idx(folder.write("unpacked", bytes), 2).bytes.size() == std::size_t{1} << 24);
}

TEST_CASE("every truncation is refused") {
  const ScratchFolder folder;
  const std::string plain = idx_bytes({4, 3, 3}, ramp(36)), packed = gzipped(plain);
  for (std::size_t length = 0; length < plain.size(); ++length) check_refused(folder, plain.substr(0, length), 3, "byte");
  for (std::size_t length = 0; length < packed.size(); ++length) check_refused(folder, packed.substr(0, length), 3, "byte");
}

TEST_CASE("every bit flip in a gzip file is refused or harmless") {
  const ScratchFolder folder;
  const std::string packed = gzipped(idx_bytes({4, 3, 3}, ramp(36)));
  for (std::size_t bit = 0; bit < 8 * packed.size(); ++bit) {
    std::string flipped = packed;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    const std::string path = folder.write("flipped", flipped);
    IdxArray array{.shape = {4, 3, 3}, .bytes = {}};
    const std::string message = format_error([&] { array = read_idx(path, 3); });
    CHECK(array.shape == Shape{4, 3, 3});
    const bool time_system_or_level = bit / 8 >= 3 && bit / 8 < 10;
    const bool fill_behind_the_last_code = bit / 8 == packed.size() - 9;  // the deflate data end within this byte
    if (!time_system_or_level && !fill_behind_the_last_code) CHECK_MESSAGE(!message.empty(), "bit ", bit);
  }
}

TEST_CASE("wrong magic numbers, hostile sizes and trailing bytes are refused") {
  const ScratchFolder folder;
  check_refused(folder, idx_bytes({4}, ramp(4)), 3, "magic number at byte 0 is 2049");
  check_refused(folder, word(0x0d03) + ramp(40), 3, "magic");
  check_refused(folder, idx_bytes({0xffffffff, 0xffffffff, 0xffffffff}, ramp(9)), 3, "exceed 64 bits");
  check_refused(folder, idx_bytes({0xffffffff, 0x7fffffff, 1}, ramp(9)), 3, "holds at most 9");
  check_refused(folder, gzipped(idx_bytes({60000, 28, 28}, ramp(9))), 3, "is read up to 64 times");
  check_refused(folder, idx_bytes({3}, ramp(4)), 1, "byte 11");
  check_refused(folder, gzipped(idx_bytes({3}, ramp(4))), 1, "byte 11");
  check_refused(folder, gzipped(idx_bytes({3}, ramp(3))) + "x", 1, "cut off");
  check_refused(folder, gzipped(idx_bytes({3}, ramp(3))) + "no gzip member", 1, "corrupt");
  CHECK(format_error([&] { read_idx(folder / "absent", 1); }).find("absent") != std::string::npos);
  CHECK(format_error([&] { read_idx(folder.path(), 1); }).find("not a regular file") != std::string::npos);
}

TEST_CASE("mutated files raise FormatError or nothing") {
  const ScratchFolder folder;
  const std::string plain = idx_bytes({4, 3, 3}, ramp(36)), packed = gzipped(plain);
  int refused = 0;
  oracle::largest_allocation = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const std::string path = folder.write("mutated", oracle::mutated(i % 2 ? plain : packed, i));
    CHECK_NOTHROW(refused += format_error([&] { read_idx(path, 3); }).empty() ? 0 : 1);
  }
  CHECK(refused > 1000);
  CHECK(oracle::largest_allocation < kFixedBuffers);
}

TEST_CASE("a folder of four idx files becomes an image set") {
  const ScratchFolder folder;
  folder.write("train-images-idx3-ubyte.gz", gzipped(idx_bytes({3, 2, 5}, ramp(30))));
  folder.write("train-labels-idx1-ubyte", idx_bytes({3}, std::string("\x01\x00\x02", 3)));
  folder.write("t10k-images-idx3-ubyte", idx_bytes({2, 2, 5}, ramp(20)));
  CHECK(missing_idx_files(folder.path()) == std::vector<std::string>{"t10k-labels-idx1-ubyte[.gz]"});
  CHECK(format_error([&] { load_idx_images(folder.path()); }).find("t10k-labels-idx1-ubyte[.gz]") != std::string::npos);
  folder.write("t10k-labels-idx1-ubyte.gz", gzipped(idx_bytes({2}, std::string("\x02\x01", 2))));

  const ImageData data = load_idx_images(folder.path() + "/");
  CHECK(data.train.lattice == Lattice{2, 5, 1});
  CHECK(data.train.size == 3);
  CHECK(data.test.size == 2);
  CHECK(data.train.classes == 3);
  CHECK(data.test.classes == 3);
  CHECK(data.train.labels == std::vector<std::int32_t>{1, 0, 2});
  CHECK(data.name.starts_with("own images weft-test-"));

  const auto refusal = [&] { return format_error([&] { load_idx_images(folder.path()); }); };
  folder.write("train-labels-idx1-ubyte", idx_bytes({3}, std::string("\x01\x00\xf0", 3)));
  CHECK(refusal().find("train-labels-idx1-ubyte': the label at byte 10 is 240, but no training label is 2") != std::string::npos);
  folder.write("train-labels-idx1-ubyte", idx_bytes({3}, std::string("\x01\x00\x02", 3)));
  folder.write("t10k-labels-idx1-ubyte.gz", gzipped(idx_bytes({2}, std::string("\x02\x04", 2))));
  CHECK(refusal().find("t10k-labels-idx1-ubyte.gz': the label at byte 9 is 4, but the training labels have 3 classes") !=
        std::string::npos);
  folder.write("t10k-labels-idx1-ubyte.gz", gzipped(idx_bytes({3}, ramp(3))));
  CHECK(format_error([&] { load_idx_images(folder.path()); }).find("2 images") != std::string::npos);
  folder.write("t10k-labels-idx1-ubyte.gz", gzipped(idx_bytes({2}, ramp(2))));
  folder.write("t10k-images-idx3-ubyte", idx_bytes({2, 5, 2}, ramp(20)));
  CHECK(format_error([&] { load_idx_images(folder.path()); }).find("5x2x1") != std::string::npos);
  folder.write("t10k-images-idx3-ubyte", idx_bytes({2, 0, 5}, ""));
  CHECK(format_error([&] { load_idx_images(folder.path()); }).find("no pixel") != std::string::npos);
}
