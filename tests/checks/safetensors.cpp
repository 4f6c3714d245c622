#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/core/error.hpp>
#include <weft/core/files/safetensors.hpp>
#include <weft/core/tensor.hpp>
#include <weft/tests/oracle/largest_allocation.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

using namespace weft;
using oracle::ScratchFolder;

namespace {

constexpr std::size_t kFixedBuffers = 1 << 15;  // what reading a small file may take, the streams' buffers included

std::string with_length(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

/// One array under a header field each, as JSON.
std::string entry(const std::string& name, const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

void check_refused(const ScratchFolder& folder, const std::string& bytes, const std::string& must_name) {
  const std::string path = folder.write("hostile", bytes);
  std::string message;
  try {
    read_safetensors(path);
  } catch (const FormatError& error) {
    message = error.what();
  }
  CAPTURE(message);
  CAPTURE(bytes);
  CHECK(message.find(path) != std::string::npos);
  CHECK(message.find(must_name) != std::string::npos);
}

ArrayFile example() {
  ArrayFile file;
  file.metadata = {{"format", "weft"}, {"step", "17"}, {"größe", "\"quoted\"\n"}};
  file.arrays = {NamedArray::of<std::uint8_t>("mask", {1, 0, 255}, {3}),
                 NamedArray::of<float>("head.weight", {1.5F, -2, 0.25F, 3, 4, 5}, {2, 3}),
                 NamedArray::of<std::int64_t>("row_ptr", {0, INT64_MAX, INT64_MIN}, {3}),
                 NamedArray::of<std::int32_t>("col", {-7}, {1, 1, 1, 1, 1, 1}),
                 NamedArray::of<double>("scalar", {0.1}, {}),
                 NamedArray::of<float>("none", {}, {4, 0})};
  return file;
}

}  // namespace

TEST_CASE("arrays of every type come back in bits, with names, shapes and metadata") {
  const ScratchFolder folder;
  const std::string path = folder / "file.safetensors";
  const ArrayFile written = example();
  write_safetensors(path, written);
  const ArrayFile read = read_safetensors(path);
  CHECK(read.metadata == written.metadata);
  REQUIRE(read.arrays.size() == written.arrays.size());
  for (const NamedArray& array : written.arrays) {
    const NamedArray* found = read.find(array.name);
    REQUIRE(found != nullptr);
    CHECK(found->type == array.type);
    CHECK(found->shape == array.shape);
    CHECK(found->bytes == array.bytes);
  }
  CHECK(read.find("row_ptr")->values<std::int64_t>() == std::vector<std::int64_t>{0, INT64_MAX, INT64_MIN});
  CHECK(read.find("absent") == nullptr);
  CHECK_THROWS_AS(read.find("row_ptr")->values<double>(), UsageError);
  CHECK_THROWS_AS(read.find("row_ptr")->tensor(), UsageError);
  CHECK_THROWS_AS(NamedArray::of<float>("x", {1, 2}, {3}), ShapeError);
}

TEST_CASE("the file is laid out as the format says, every array aligned") {
  const ScratchFolder folder;
  const std::string path = folder / "file.safetensors";
  write_safetensors(path, {.metadata = {}, .arrays = {NamedArray::of<std::uint8_t>("a", {7}, {1}), NamedArray::of<double>("b", {1}, {1})}});
  const std::string header =
      R"({"__metadata__":{"crc32":"1e1324ff"},"b":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"a":{"dtype":"U8","shape":[1],"data_offsets":[8,9]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  CHECK(oracle::file_bytes(path) == with_length(padded, std::string("\0\0\0\0\0\0\xf0\x3f\x07", 9)));
}

TEST_CASE("every flipped bit in a file with a checksum is refused") {
  const ScratchFolder folder;
  const std::string path = folder / "file.safetensors";
  write_safetensors(path, example());
  const std::string bytes = oracle::file_bytes(path);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  const auto put = [&](std::size_t at, char byte) { file.seekp(static_cast<std::streamoff>(at)).put(byte).flush(); };
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    put(bit / 8, static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8)));
    CHECK_THROWS_AS(read_safetensors(path, Checksum::required), FormatError);
    put(bit / 8, bytes[bit / 8]);
  }
}

TEST_CASE("a checksum may be missing where none is required, and stands nowhere but at its place") {
  const ScratchFolder folder;
  const auto refused = [&](const std::string& header, const std::string& must_name) {
    check_refused(folder, with_length(header, ""), must_name);
  };
  const std::string plain = folder.write("plain", with_length(R"({"__metadata__":{"format":"pt"}})", ""));
  CHECK(read_safetensors(plain).metadata.at("format") == "pt");
  CHECK_THROWS_AS(read_safetensors(plain, Checksum::required), FormatError);
  refused(R"({"__metadata__":{"crc32":"00000000"}})", "its metadata state 00000000");
  refused(R"({"__metadata__":{"crc32":""}})", "'crc32' is '', not eight digits at byte 34");
  refused(R"({"__metadata__":{"format":"pt","crc32":"00000000"}})", "not eight digits at byte 34");
  refused(R"({ "__metadata__":{"crc32":"00000000"}})", "not eight digits at byte 34");
  write_safetensors(plain, {.metadata = {{"crc32", "of another file"}, {"a", "b"}}, .arrays = {}});
  CHECK(read_safetensors(plain, Checksum::required).metadata == std::map<std::string, std::string>{{"a", "b"}});
}

TEST_CASE("tensors go in and out, tiled ones as row-major [rows, N]") {
  const Tensor tiled = pack_rows<float>({1, 2, 3, 4, 5, 6}, {2}, sample_columns(3, Lanes::sixteen));
  const NamedArray array = NamedArray::of("x", tiled);
  CHECK(array.shape == Shape{2, 3});
  CHECK(array.values<float>() == std::vector<float>{1, 2, 3, 4, 5, 6});
  const Tensor plain = array.tensor();
  CHECK(plain.rows() == Shape{2, 3});
  CHECK(unpack_rows<float>(plain) == array.values<float>());
  CHECK(NamedArray::of("y", plain).bytes == array.bytes);
}

TEST_CASE("writing replaces the file whole or leaves the old one") {
  const ScratchFolder folder;
  const std::string path = folder / "file.safetensors";
  write_safetensors(path, example());
  const std::string old = oracle::file_bytes(path);
  ArrayFile twice = example();
  twice.arrays.push_back(twice.arrays[0]);
  CHECK_THROWS_AS(write_safetensors(path, twice), UsageError);
  ArrayFile short_bytes = example();
  short_bytes.arrays[1].bytes.pop_back();
  CHECK_THROWS_AS(write_safetensors(path, short_bytes), UsageError);
  ArrayFile reserved = example();
  reserved.arrays[0].name = "__metadata__";
  CHECK_THROWS_AS(write_safetensors(path, reserved), UsageError);
  ArrayFile no_text = example();
  no_text.arrays[0].name = "\xff";
  CHECK_THROWS_AS(write_safetensors(path, no_text), UsageError);
  CHECK(oracle::file_bytes(path) == old);
  CHECK_THROWS_AS(write_safetensors(folder / "no/such/folder", example()), FormatError);
  write_safetensors(path, {});
  CHECK(read_safetensors(path).arrays.empty());
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), std::filesystem::directory_iterator{}) == 1);
}

TEST_CASE("every truncation and every appended byte is refused") {
  const ScratchFolder folder;
  const std::string path = folder / "file.safetensors";
  write_safetensors(path, example());
  const std::string bytes = oracle::file_bytes(path);
  for (std::size_t length = 0; length < bytes.size(); ++length) check_refused(folder, bytes.substr(0, length), "byte");
  check_refused(folder, bytes + '\0', "the arrays end at byte");
  CHECK_THROWS_AS(read_safetensors(folder.path()), FormatError);
  CHECK_THROWS_AS(read_safetensors(folder / "absent"), FormatError);
}

TEST_CASE("a header's length beyond the file is refused before memory is taken") {
  const ScratchFolder folder;
  oracle::largest_allocation = 0;
  for (const std::uint64_t length : {std::uint64_t{3}, std::uint64_t{1} << 40, UINT64_MAX, UINT64_MAX - 7}) {
    std::string bytes(10, '{');
    std::memcpy(bytes.data(), &length, 8);
    check_refused(folder, bytes, "byte 0 declares a header of " + std::to_string(length));
  }
  CHECK(oracle::largest_allocation < kFixedBuffers);
}

TEST_CASE("headers that break the format are refused with the byte") {
  const ScratchFolder folder;
  const auto refused = [&](const std::string& entries, std::size_t data, const std::string& must_name) {
    check_refused(folder, with_length("{" + entries + "}", std::string(data, 'x')), must_name);
  };
  refused(entry("a", "U8", "[4]", "[0,4]") + "," + entry("a", "U8", "[4]", "[4,8]"), 8, "'a' is given twice");
  refused(entry("a", "U8", "[4]", "[0,4]") + "," + entry("b", "U8", "[4]", "[3,7]"), 7, "begins at byte");
  refused(entry("a", "U8", "[4]", "[0,4]") + "," + entry("b", "U8", "[4]", "[5,9]"), 9, "begins at byte");
  refused(entry("a", "U8", "[4]", "[1,5]"), 5, "begins at byte");
  refused(entry("a", "U8", "[4]", "[0,4]"), 5, "the arrays end at byte");
  refused(entry("a", "U8", "[4]", "[0,4]"), 3, "the arrays end at byte");
  refused(entry("a", "F32", "[4]", "[0,4]"), 4, "takes 16 bytes");
  refused(entry("a", "U8", "[4]", "[4,0]"), 4, "offsets [4, 0)");
  refused(entry("a", "U8", "[1]", "[18446744073709551615,0]"), 1, "offsets [18446744073709551615, 0)");
  refused(entry("a", "U8", "[6]", "[0,6]") + "," + entry("b", "U8", "[2]", "[6,18446744073709551615]"), 8, "'b' has offsets");
  refused(entry("a", "F16", "[2]", "[0,4]"), 4, "dtype 'F16'");
  refused(entry("a", "u8", "[4]", "[0,4]"), 4, "dtype 'u8'");
  refused(entry("a", "U8", "[4294967296,4294967296]", "[0,4]"), 4, "exceeds 64 bits");
  refused(entry("a", "F64", "[2305843009213693952]", "[0,0]"), 0, "exceeds 64 bits");
  refused(entry("a", "U8", "[18446744073709551615]", "[0,4]"), 4, "exceeds 64 bits");
  refused(entry("a", "U8", "[1,1,1,1,1,1,4]", "[0,4]"), 4, "more than 6 axes");
  refused(entry("a", "U8", "[-4]", "[0,4]"), 4, "negative");
  refused(entry("a", "U8", "[4.0]", "[0,4]"), 4, "no 64-bit integer");
  refused(entry("a", "U8", "[99999999999999999999999]", "[0,4]"), 4, "no 64-bit integer");
  refused(entry("a", "U8", "[4]", "[0,4,4]"), 4, "more than 2");
  refused(entry("a", "U8", "[4]", "[0]"), 4, "not 2");
  refused(entry("a", "U8", "[[4]]", "[0,4]"), 4, "a list where none belongs");
  refused(entry("a", "U8", "4", "[0,4]"), 4, "where none belongs");
  refused(R"("a":{"dtype":"U8","shape":[4]})", 4, "lacks one of");
  refused(R"("a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]})", 4, "given twice");
  refused(R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"more":1})", 4, "unknown field 'more'");
  refused(R"("a":{"dtype":null,"shape":[4],"data_offsets":[0,4]})", 4, "null");
  refused(R"("a":{"dtype":"U8","shape":{},"data_offsets":[0,4]})", 4, "object");
  refused(R"("a":true)", 0, "boolean");
  refused(R"("a":"text")", 0, "a text where none belongs");
  refused(R"("__metadata__":{"a":1})", 0, "the number 1");
  refused(R"("__metadata__":{"a":"1","a":"2"})", 0, "given twice");
  refused(R"("__metadata__":{"a":{}})", 0, "object");
  refused(R"("a":)", 0, "header, before byte");
  refused("\"\xff\":1", 0, "header, before byte");
  check_refused(folder, with_length(" {}", ""), "does not begin with '{'");
  check_refused(folder, with_length("{}{}", ""), "header, before byte");
  check_refused(folder, with_length("", ""), "does not begin with '{'");
  check_refused(folder, with_length("{" + std::string(100000, '['), ""), "header, before byte");
  check_refused(folder, with_length(R"({"a":)" + std::string(100000, '['), ""), "a list where none belongs");
}

TEST_CASE("other writers' files are read: keys in any order, padded header") {
  const ScratchFolder folder;
  const std::string header = R"({ "b" : {"data_offsets":[4,6], "shape":[2,1], "dtype":"U8"},
                                  "a":{"shape":[1],"dtype":"I32","data_offsets":[0,4]}, "__metadata__":{"format":"pt"} }   )";
  const ArrayFile file = read_safetensors(folder.write("other", with_length(header, std::string("\1\0\0\0\2\3", 6))));
  REQUIRE(file.arrays.size() == 2);
  CHECK(file.arrays[0].name == "a");
  CHECK(file.arrays[0].values<std::int32_t>() == std::vector<std::int32_t>{1});
  CHECK(file.arrays[1].values<std::uint8_t>() == std::vector<std::uint8_t>{2, 3});
  CHECK(file.metadata.at("format") == "pt");
}

TEST_CASE("mutated files raise FormatError or nothing") {
  const ScratchFolder folder;
  const std::string path = folder / "file.safetensors";
  write_safetensors(path, example());
  const std::string bytes = oracle::file_bytes(path);
  int refused = 0;
  oracle::largest_allocation = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const std::string mutated = folder.write("mutated", oracle::mutated(bytes, i));
    const auto attempt = [&] {
      try {
        read_safetensors(mutated);
      } catch (const FormatError&) {
        ++refused;
      }
    };
    CHECK_NOTHROW(attempt());
  }
  CHECK(refused > 1000);
  CHECK(oracle::largest_allocation < kFixedBuffers);
}
