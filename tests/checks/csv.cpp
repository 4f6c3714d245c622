#include <cstddef>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/data/csv.hpp>
#include <weft/tests/oracle/format_error.hpp>
#include <weft/tests/oracle/gzipped.hpp>
#include <weft/tests/oracle/largest_allocation.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

using namespace weft;
using oracle::format_error;
using oracle::ScratchFolder;

namespace {

using Row = std::vector<std::string>;

struct Read {
  std::vector<Row> rows;
  std::vector<std::int64_t> lines;
};

Read read(const std::string& path, CsvOptions options = {}) {
  Csv csv("csv", path, options);
  Read all;
  for (Row row; csv.next(row);) all.rows.push_back(row), all.lines.push_back(csv.line());
  return all;
}

void check_refused(const ScratchFolder& folder, const std::string& bytes, const std::string& must_name) {
  const std::string path = folder.write("rows.csv", bytes);
  const std::string message = format_error([&] { read(path); });
  CAPTURE(message);
  CHECK(message.find(path) != std::string::npos);
  CHECK(message.find(must_name) != std::string::npos);
}

}  // namespace

TEST_CASE("fields with and without quotes, plain and gzip, whatever ends the lines") {
  const ScratchFolder folder;
  const std::string text = "a,\"b\"\n\"c, \"\"d\"\"\",\n,\"e\nf\"\n\n \xc3\xa9 ,\"\"\n";
  const std::vector<Row> rows{{"a", "b"}, {"c, \"d\"", ""}, {"", "e\nf"}, {" \xc3\xa9 ", ""}};
  const std::vector<std::int64_t> lines{1, 2, 3, 6};
  for (const std::string& bytes : {text, text.substr(0, text.size() - 1), oracle::gzipped(text), "\xef\xbb\xbf" + text, text + "\n\n"}) {
    const Read all = read(folder.write("rows.csv", bytes));
    CHECK(all.rows == rows);
    CHECK(all.lines == lines);
  }
  std::string crlf;
  for (const char c : text) crlf += c == '\n' ? "\r\n" : std::string(1, c);
  std::vector<Row> inside = rows;
  inside[2][1] = "e\r\nf";
  CHECK(read(folder.write("rows.csv", crlf)).rows == inside);
  CHECK(read(folder.write("rows.csv", "")).rows.empty());
  CHECK(read(folder.write("rows.csv", "\n\r\n")).rows.empty());
}

TEST_CASE("another separator leaves commas alone") {
  const ScratchFolder folder;
  CHECK(read(folder.write("rows.csv", "a;1,5\n\"b;\";2\n"), {.separator = ';'}).rows == std::vector<Row>{{"a", "1,5"}, {"b;", "2"}});
}

TEST_CASE("fields longer than a buffer are whole") {
  const ScratchFolder folder;
  std::string text;
  std::vector<Row> rows;
  for (std::size_t length = 16376; length < 16390; ++length) {
    rows.push_back({std::string(length, 'x'), std::string(length, '"')});
    text += rows.back()[0] + ",\"" + std::string(2 * length, '"') + "\"\n";
  }
  CHECK(read(folder.write("rows.csv", text)).rows == rows);
}

TEST_CASE("malformed rows are refused with line and column") {
  const ScratchFolder folder;
  check_refused(folder, "a,b\nc,\"d\n", "line 2: the quote that opens column 2 is not closed");
  check_refused(folder, "a,b\n\"c\"d,e\n", "line 2: column 1 goes on behind its closing quote");
  check_refused(folder, "a,b\nc\"d,e\n", "line 2: a quote stands inside column 1");
  check_refused(folder, "a,b\n\"c\n\",d\ne\n", "line 4: the row has 1 column, the first has 2");
  check_refused(folder, "a\nb,c\n", "line 2: the row has 2 columns, the first has 1");
  check_refused(folder, "a,\xe9\n", "line 1: column 2 is not UTF-8");
  check_refused(folder, std::string("a,b\nc,d\0\n", 9), "line 2: column 2 has a NUL byte");
  check_refused(folder, oracle::gzipped("a,b\n").substr(0, 15), "cut off");
  CHECK(format_error([&] { read(folder / "absent.csv"); }).find("absent.csv") != std::string::npos);
}

TEST_CASE("a row without end costs no more than the longest row") {
  const ScratchFolder folder;
  for (const std::string& begin : {std::string("a,"), std::string("a,\"")}) {
    const std::string path = folder.write("rows.csv", oracle::gzipped("a,b\n" + begin + std::string(std::size_t{1} << 24, 'x')));
    oracle::largest_allocation = 0;
    const std::string message = format_error([&] { read(path); });
    CHECK(oracle::largest_allocation <= 4 * Csv::kMostBytes);
    CHECK(message.find("line 2: the row has more than 1048576 bytes") != std::string::npos);
  }
  const std::string many = folder.write("rows.csv", std::string(std::size_t{1} << 22, ','));
  oracle::largest_allocation = 0;
  CHECK(format_error([&] { read(many); }).find("line 1: the row has more than 1048576 bytes") != std::string::npos);
  CHECK(oracle::largest_allocation <= 64 * Csv::kMostBytes);
}

TEST_CASE("mutated rows raise FormatError or nothing") {
  const ScratchFolder folder;
  int refused = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::string path = folder.write("rows.csv", oracle::mutated("\"1\",\"a, \"\"b\"\"\",c\r\n2,\xc3\xa9,\"d\ne\"\n", i));
    CHECK_NOTHROW(refused += format_error([&] { read(path); }).empty() ? 0 : 1);
  }
  CHECK(refused > 200);
}
