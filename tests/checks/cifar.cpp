#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/data/cifar.hpp>
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
constexpr std::size_t kMostInflation = 2 * 16;  // what it stores of a stream before it counts the rest, in a vector that doubles
constexpr int kMostRecords = 200000;
constexpr CifarKind kKinds[] = {CifarKind::ten, CifarKind::hundred};

std::size_t record_size(CifarKind kind) { return kind == CifarKind::ten ? 3073 : 3074; }

/// A pixel that no other near it equals, and that packs badly.
std::uint8_t pixel(int image, int y, int x, int c) {
  return static_cast<std::uint8_t>((image * 7 + c * 85 + y * 61 + x * x * 3 + y * x) % 256);
}

/// A record with a fine label; the coarse one is its fifth.
std::string record(CifarKind kind, int image, int label) {
  std::string bytes;
  if (kind == CifarKind::hundred) bytes += static_cast<char>(label / 5);
  bytes += static_cast<char>(label);
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < 32; ++y)
      for (int x = 0; x < 32; ++x) bytes += static_cast<char>(pixel(image, y, x, c));
  return bytes;
}

/// Records of images first, first + 1, ..., labelled downwards from the last class.
std::string records(CifarKind kind, int first, int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes += record(kind, first + i, (kind == CifarKind::ten ? 9 : 99) - i);
  return bytes;
}

bool holds_image(const ImageSet& set, std::int64_t sample, int image) {
  const std::uint8_t* p = set.pixels.data() + sample * 3072;
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 32; ++x)
      for (int c = 0; c < 3; ++c)
        if (*p++ != pixel(image, y, x, c)) return false;
  return true;
}

void check_refused(const ScratchFolder& folder, const std::string& bytes, CifarKind kind, const std::string& must_name) {
  const std::string path = folder.write("hostile.bin", bytes);
  const std::string message = format_error([&] { read_cifar(path, kind); });
  CAPTURE(message);
  CHECK(message.find(path) != std::string::npos);
  CHECK(message.find(must_name) != std::string::npos);
}

}  // namespace

TEST_CASE("planes become pixels with their channels side by side, plain and gzip") {
  const ScratchFolder folder;
  for (const CifarKind kind : kKinds) {
    const std::string bytes = records(kind, 5, 3);
    for (const std::string& stored : {bytes, gzipped(bytes), gzipped(bytes.substr(0, 4000)) + gzipped("") + gzipped(bytes.substr(4000))}) {
      const ImageSet set = read_cifar(folder.write("records", stored), kind);
      const int last = kind == CifarKind::ten ? 9 : 99;
      CHECK(set.lattice == Lattice{32, 32, 3});
      CHECK(set.classes == last + 1);
      CHECK(set.size == 3);
      CHECK(set.labels == std::vector<std::int32_t>{last, last - 1, last - 2});
      REQUIRE(set.pixels.size() == 3 * 3072);
      for (int i = 0; i < 3; ++i) CHECK(holds_image(set, i, 5 + i));
    }
  }
}

TEST_CASE("the batches of a CIFAR-10 folder follow each other, .gz before plain") {
  const ScratchFolder folder;
  folder.write("data_batch_1.bin.gz", gzipped(records(CifarKind::ten, 10, 2)));
  folder.write("data_batch_1.bin", records(CifarKind::ten, 90, 1));
  folder.write("test_batch.bin", records(CifarKind::ten, 60, 4));
  CHECK(load_cifar10(folder.path()).train.size == 2);
  for (int n = 2; n <= 11; ++n) folder.write("data_batch_" + std::to_string(n) + ".bin", records(CifarKind::ten, 10 * n, 1));
  folder.write("data_batch_012.bin", "another name");
  folder.write("data_batch_13.bin.tmp", "another name");
  folder.write("data_batch_0.bin", "another name");
  const ImageData data = load_cifar10(folder.path());
  CHECK(data.name == "CIFAR-10");
  CHECK(data.source == folder.path());
  CHECK(data.train.size == 12);
  REQUIRE(data.train.pixels.size() == 12 * 3072);
  CHECK(data.train.labels == std::vector<std::int32_t>{9, 8, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9});
  CHECK(holds_image(data.train, 1, 11));
  for (int n = 2; n <= 11; ++n) CHECK(holds_image(data.train, n, 10 * n));
  CHECK(data.test.size == 4);
  CHECK(holds_image(data.test, 3, 63));
  CHECK(data.test.classes == 10);
}

TEST_CASE("CIFAR-100 trains on train.bin, else on its longest first part") {
  const ScratchFolder folder;
  folder.write("test.bin", records(CifarKind::hundred, 1, 2));
  folder.write("train_first8.bin.gz", gzipped(records(CifarKind::hundred, 2, 8)));
  folder.write("train_first5.bin.gz", gzipped(records(CifarKind::hundred, 3, 5)));
  CHECK(load_cifar100(folder.path()).train.size == 8);
  folder.write("train.bin", records(CifarKind::hundred, 4, 20));
  const ImageData data = load_cifar100(folder.path());
  CHECK(data.name == "CIFAR-100");
  CHECK(data.train.size == 20);
  CHECK(data.train.labels[19] == 80);
  CHECK(data.train.classes == 100);
  CHECK(data.test.size == 2);
  CHECK(holds_image(data.test, 1, 2));
}

TEST_CASE("files that are missing are named, a batch between two others too") {
  using Names = std::vector<std::string>;
  const ScratchFolder folder;
  CHECK(missing_cifar_files(folder.path(), CifarKind::ten) == Names{"data_batch_1.bin[.gz]", "test_batch.bin[.gz]"});
  CHECK(missing_cifar_files(folder / "absent", CifarKind::hundred) == Names{"train.bin[.gz]", "test.bin[.gz]"});
  folder.write("data_batch_1.bin", records(CifarKind::ten, 0, 1));
  folder.write("data_batch_3.bin.gz", gzipped(records(CifarKind::ten, 0, 1)));
  folder.write("data_batch_999999999.bin", "");
  folder.write("test_batch.bin", records(CifarKind::ten, 0, 1));
  CHECK(missing_cifar_files(folder.path(), CifarKind::ten) == Names{"data_batch_2.bin[.gz]"});
  CHECK(format_error([&] { load_cifar10(folder.path()); }).find("the folder lacks data_batch_2.bin[.gz]") != std::string::npos);
  CHECK(format_error([&] { load_cifar100(folder.path()); }).find("the folder lacks train.bin[.gz], test.bin[.gz]") != std::string::npos);
  CHECK(format_error([&] { read_cifar(folder / "absent", CifarKind::ten); }).find("absent") != std::string::npos);
  CHECK(format_error([&] { read_cifar(folder.path(), CifarKind::ten); }).find("not a regular file") != std::string::npos);
}

TEST_CASE("what is no whole number of records is refused with the byte") {
  const ScratchFolder folder;
  for (const CifarKind kind : kKinds) {
    const std::string bytes = records(kind, 0, 2), packed = gzipped(bytes), size = std::to_string(record_size(kind));
    check_refused(folder, "", kind, "the data end at byte 0, before the first record");
    check_refused(folder, gzipped(""), kind, "the data end at byte 0, before the first record");
    for (const bool gzip : {false, true}) {
      const auto stored = [&](const std::string& data) { return gzip ? gzipped(data) : data; };
      check_refused(folder, stored(bytes.substr(0, 1)), kind, "record 0 at byte 0 has 1 of " + size + " bytes");
      check_refused(folder, stored(bytes + "x"), kind, "record 2 at byte " + std::to_string(bytes.size()) + " has 1 of " + size);
      check_refused(folder, stored(bytes.substr(0, bytes.size() - 1)), kind,
                    "record 1 at byte " + size + " has " + std::to_string(record_size(kind) - 1));
    }
    for (std::size_t length = 2; length < packed.size(); length += 7) check_refused(folder, packed.substr(0, length), kind, "byte");
    check_refused(folder, packed.substr(0, packed.size() - 1), kind, "cut off");
    check_refused(folder, packed + "x", kind, "cut off");
    check_refused(folder, packed + "no gzip member", kind, "corrupt");
  }
  check_refused(folder, records(CifarKind::hundred, 0, 2), CifarKind::ten, "record 2 at byte 6146 has 2 of 3073 bytes");
}

TEST_CASE("a label of no class is refused with its byte") {
  const ScratchFolder folder;
  const auto with = [](CifarKind kind, std::size_t byte, char label) {
    std::string bytes = records(kind, 0, 4);
    bytes[byte] = label;
    return bytes;
  };
  check_refused(folder, with(CifarKind::ten, 2 * 3073, 10), CifarKind::ten, "the label at byte 6146 is 10, but they go from 0 to 9");
  check_refused(folder, gzipped(with(CifarKind::ten, 3 * 3073, '\xff')), CifarKind::ten, "the label at byte 9219 is 255");
  check_refused(folder, with(CifarKind::hundred, 3074, 20), CifarKind::hundred,
                "the coarse label at byte 3074 is 20, but they go from 0 to 19");
  check_refused(folder, with(CifarKind::hundred, 3075, 100), CifarKind::hundred,
                "the fine label at byte 3075 is 100, but they go from 0 to 99");
}

TEST_CASE("a size that no file of a set has is refused before anything is stored") {
  const ScratchFolder folder;
  for (const CifarKind kind : kKinds) {
    const std::string path = folder.write("sparse", "");
    std::filesystem::resize_file(path, (kMostRecords + 1) * record_size(kind));
    oracle::largest_allocation = 0;
    const std::string message = format_error([&] { read_cifar(path, kind); });
    CHECK(message.find("data follow at byte " + std::to_string(kMostRecords * record_size(kind))) != std::string::npos);
    CHECK(oracle::largest_allocation < kFixedBuffers);
  }
}

TEST_CASE("what inflates by more than photographs do is counted first and then stored") {
  const ScratchFolder folder;
  const std::string zeros = gzipped(std::string(1000 * 3073, '\0'));
  const ImageSet set = read_cifar(folder.write("zeros", zeros), CifarKind::ten);
  CHECK(set.size == 1000);
  CHECK(set.pixels.size() == 1000 * 3072);

  std::string broken = zeros, bomb;
  broken[broken.size() - 6] ^= 1;  // in the checksum
  for (int member = 0; member < kMostRecords / 1000; ++member) bomb += zeros;
  bomb += gzipped(std::string(3073, '\0'));
  oracle::largest_allocation = 0;
  check_refused(folder, broken, CifarKind::ten, "corrupt");
  CHECK(oracle::largest_allocation < kMostInflation * broken.size() + kFixedBuffers);
  oracle::largest_allocation = 0;
  check_refused(folder, bomb, CifarKind::ten, "data follow at byte 614600000 after 200000 records");
  CHECK(oracle::largest_allocation < kMostInflation * bomb.size() + kFixedBuffers);
}

TEST_CASE("mutated files raise FormatError or nothing") {
  const ScratchFolder folder;
  int refused = 0;
  for (const CifarKind kind : kKinds) {
    const std::string plain = records(kind, 0, 2), packed = gzipped(plain);
    oracle::largest_allocation = 0;
    for (std::uint64_t i = 0; i < 500; ++i) {
      const std::string path = folder.write("mutated", oracle::mutated(i % 2 ? plain : packed, i));
      CHECK_NOTHROW(refused += format_error([&] { read_cifar(path, kind); }).empty() ? 0 : 1);
    }
    CHECK(oracle::largest_allocation < kFixedBuffers);
  }
  CHECK(refused > 500);
}
