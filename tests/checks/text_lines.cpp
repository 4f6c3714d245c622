#include <cstddef>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/core/text.hpp>
#include <weft/data/text_lines.hpp>
#include <weft/tests/oracle/format_error.hpp>
#include <weft/tests/oracle/gzipped.hpp>
#include <weft/tests/oracle/largest_allocation.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

using namespace weft;
using oracle::format_error;
using oracle::ScratchFolder;

namespace {

std::vector<std::string> lines_of(const std::string& path) {
  TextLines lines("text", path);
  std::vector<std::string> all;
  for (std::string_view line; lines.next(line);) {
    all.emplace_back(line);
    CHECK(lines.number() == static_cast<std::int64_t>(all.size()));
  }
  CHECK(lines.number() == static_cast<std::int64_t>(all.size()));
  return all;
}

void check_refused(const ScratchFolder& folder, const std::string& bytes, const std::string& must_name) {
  const std::string path = folder.write("text", bytes);
  const std::string message = format_error([&] { lines_of(path); });
  CAPTURE(message);
  CHECK(message.find(path) != std::string::npos);
  CHECK(message.find(must_name) != std::string::npos);
}

}  // namespace

TEST_CASE("lines come without their ends, plain and gzip, the last one with or without a newline") {
  const ScratchFolder folder;
  const std::string text = "one two\n\nthree\r\n \n\xc3\xa9 last";
  const std::vector<std::string> wanted{"one two", "", "three", " ", "\xc3\xa9 last"};
  for (const std::string& bytes : {text, text + "\n", oracle::gzipped(text), "\xef\xbb\xbf" + text})
    CHECK(lines_of(folder.write("text", bytes)) == wanted);
  CHECK(lines_of(folder.write("text", "")).empty());
  CHECK(lines_of(folder.write("text", "\n")) == std::vector<std::string>{""});
}

TEST_CASE("lines longer than a buffer are whole") {
  const ScratchFolder folder;
  std::string text;
  std::vector<std::string> wanted;
  for (std::size_t length = 16380; length < 16390; ++length) {
    wanted.emplace_back(length, 'x');
    text += wanted.back() + "\n";
  }
  wanted.emplace_back(TextLines::kMostBytes, 'y');
  CHECK(lines_of(folder.write("text", text + wanted.back())) == wanted);
}

TEST_CASE("what is no text is refused with line and column") {
  const ScratchFolder folder;
  check_refused(folder, std::string("good\nba\0d\n", 10), "line 2: column 3 is a NUL byte");
  check_refused(folder, "good\n\nna\xefve\n", "line 3: the bytes from column 3 on are not UTF-8");
  check_refused(folder, oracle::gzipped("text").substr(0, 15), "cut off");
  CHECK(format_error([&] { lines_of(folder / "absent"); }).find("absent") != std::string::npos);
}

TEST_CASE("a line without end costs no more than the longest line") {
  const ScratchFolder folder;
  const std::string path = folder.write("text", oracle::gzipped("short\n" + std::string(std::size_t{1} << 24, 'x')));
  oracle::largest_allocation = 0;
  const std::string message = format_error([&] { lines_of(path); });
  CHECK(oracle::largest_allocation <= 4 * TextLines::kMostBytes);
  CHECK(message.find("line 2: the line has more than 1048576 bytes") != std::string::npos);
}

TEST_CASE("UTF-8: the first invalid sequence is found") {
  for (const char* valid : {"", "plain", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf\xee\x80\x80", "\xf4\x8f\xbf\xbf",
                            "\xc2\x80", "\xe0\xa0\x80"})
    CHECK(invalid_utf8(valid) == std::string::npos);
  // a stray continuation, overlong forms, a surrogate, beyond U+10FFFF, cut off, bytes that lead nothing
  for (const char* invalid : {"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                              "\xe2\x82", "\xf0\x9f\x98", "\xc3", "\xf5\x80\x80\x80", "\xff", "\xe2\x28\xa1", "\xe2\x82\x28"})
    for (const std::string& before : {std::string(), std::string("ab"), std::string("\xe2\x82\xac")}) {
      CAPTURE(before + invalid);
      CHECK(invalid_utf8(before + invalid) == before.size());
      CHECK(invalid_utf8(before + invalid + "z") == before.size());
    }
}
