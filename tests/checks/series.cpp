#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>
#include <weft/data/series.hpp>
#include <weft/data/series_sets.hpp>
#include <weft/data/timestamp.hpp>
#include <weft/tests/oracle/format_error.hpp>
#include <weft/tests/oracle/gzipped.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

using namespace weft;
using oracle::format_error;
using oracle::ScratchFolder;

namespace {

Series read(const std::string& text, int rows_per_step = 1) {
  const ScratchFolder folder;
  return read_series(folder.write("table.csv", text), rows_per_step);
}

void refuses(const std::string& text, const std::string& what, int rows_per_step = 1) {
  const std::string error = format_error([&] { read(text, rows_per_step); });
  CAPTURE(error);
  CHECK(error.find(what) != std::string::npos);
  CHECK(error.find("hint: ") != std::string::npos);
}

/// `hours` rows of a time and the values that `value` gives, from 2016-07-01 on, as ETTh1 is written.
std::string hourly_table(std::int64_t hours, const std::vector<std::string>& names,
                         const std::function<double(std::int64_t hour, std::size_t series)>& value) {
  std::string text = "date";
  for (const std::string& name : names) text += "," + name;
  for (std::int64_t t = 0; t < hours; ++t) {
    const std::int64_t day = t / 24;
    text += cat("\n2016-07-", day + 1 < 10 ? "0" : "", day + 1, " ", t % 24, ":00:00");
    for (std::size_t c = 0; c < names.size(); ++c) text += cat(",", value(t, c));
  }
  return text + "\n";
}

}  // namespace

TEST_CASE("times in the forms that the benchmarks' files have") {
  CHECK(parse_time("1970-01-01 00:00:00") == 0);
  CHECK(parse_time("2016-07-01 02:00:00") == 1467338400);
  CHECK(parse_time("2016/7/1 2:00") == 1467338400);
  CHECK(parse_time("2016-07-01T02:00:00Z") == 1467338400);
  CHECK(parse_time("2016-07-01") == 1467331200);
  CHECK(parse_time("2016-02-29") == 1456704000);
  for (const char* wrong : {"", "2016", "2015-02-29", "2016-07-01 24:00", "2016-07-01 02:60", "2016-07-01 02:00:00x", "2016-07/01",
                            "-16-07-01", "2016-07-01 02", "12016-07-01", "2016-07-01 +2:00"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_time(wrong).has_value());
  }
}

TEST_CASE("a table with times, one without, one of dates and hours, plain and gzip") {
  const std::string text = "date,a,b\n2016-07-01 00:00:00,1,-2.5\n2016-07-01 01:00:00,3e1,4\n2016-07-01 02:00:00,5,6\n";
  const Series timed = read(text);
  CHECK(timed.names == std::vector<std::string>{"a", "b"});
  CHECK(timed.values == std::vector<double>{1, -2.5, 30, 4, 5, 6});
  CHECK(timed.steps == 3);
  CHECK(timed.interval == 3600);
  CHECK(timed.at(1, 0) == 30);
  CHECK(read(oracle::gzipped(text)).values == timed.values);
  const Series plain = read("a,b\n1,2\n3,4\n");
  CHECK(plain.values == std::vector<double>{1, 2, 3, 4});
  CHECK(plain.interval == 0);
  const Series hours = read("date,hour,x\n2011-01-01,22,1\n2011-01-01,23,2\n2011-01-02,0,3\n");
  CHECK(hours.names == std::vector<std::string>{"x"});
  CHECK(hours.values == std::vector<double>{1, 2, 3});
  CHECK(hours.interval == 3600);
}

TEST_CASE("quarter hours with semicolons and decimal commas become hours") {
  std::string text = "\"\";\"MT_001\";\"MT_002\"\r\n";
  for (int q = 1; q <= 8; ++q) text += cat("\"2011-01-01 0", q / 4, ":", q % 4 == 0 ? "00" : cat(15 * (q % 4)), ":00\";", q, ",5;0\r\n");
  const Series hours = read(text, 4);
  CHECK(hours.steps == 2);
  CHECK(hours.interval == 3600);
  CHECK(hours.values == std::vector<double>{1.5 + 2.5 + 3.5 + 4.5, 0, 5.5 + 6.5 + 7.5 + 8.5, 0});
  refuses(text, "the table has 8 rows, a step takes 3", 3);
}

TEST_CASE("what is no table of series is refused with its line") {
  const std::string two = "date,a,b\n2016-07-01 00:00,1,2\n2016-07-01 01:00,3,4\n";
  refuses("", "the file is empty");
  refuses("date,a,b\n", "no row of values");
  refuses("1,2\n3,4\n", "not the names of the columns");
  refuses("2016-07-01 00:00,1\n2016-07-01 01:00,1\n", "not the names of the columns");
  refuses("date\n2016-07-01\n", "times and no series");
  refuses("a,\n1,2\n", "column 2 has no name");
  refuses(two + "2016-07-01 01:00,5,6\n", "line 4: the time 2016-07-01 01:00 is that of the row before");
  refuses(two + "2016-07-01 00:30,5,6\n", "line 4: the time 2016-07-01 00:30 is before");
  refuses(two + "2016-07-01 03:00,5,6\n", "line 4: the time 2016-07-01 03:00 is 7200 seconds after the row before");
  refuses(two + "2016-07-41 03:00,5,6\n", "'2016-07-41 03:00', no time");
  refuses(two + "2016-07-01 02:00,5,\n", "line 4: column 3 ('b') is empty");
  refuses(two + "2016-07-01 02:00,5,six\n", "column 3 ('b') is 'six', no number");
  refuses(two + "2016-07-01 02:00,nan,6\n", "column 2 ('a') is nan");
  refuses(two + "2016-07-01 02:00,5,-inf\n", "column 3 ('b') is -inf");
  refuses(two + "2016-07-01 02:00,5,1e101\n", "column 3 ('b') is 1e+101");
  refuses(two + "2016-07-01 02:00,5\n", "line 4: the row has 2 columns, the first has 3");
  refuses("date,hour,x\n2011-01-01,24,1\n", "column 2 ('hour') is '24', no hour");
  refuses(two + std::string("2016-07-01 02:00,5,6\0", 21), "NUL");
}

TEST_CASE("series that are constant in the training part are left out by name") {
  Series series = read("a,b,c\n1,5,2\n2,5,2\n3,6,2\n");
  CHECK(remove_constant(series, 2, "x.csv") == std::vector<std::string>{"b", "c"});
  CHECK(series.names == std::vector<std::string>{"a"});
  CHECK(series.values == std::vector<double>{1, 2, 3});
  Series constant = read("a\n1\n1\n2\n");
  CHECK(format_error([&] { remove_constant(constant, 2, "x.csv"); }).find("x.csv") != std::string::npos);
  CHECK(remove_constant(constant, 3, "x.csv").empty());
}

TEST_CASE("a set is found by its file; a user's own table stands in for it") {
  const ScratchFolder folder;
  const std::string table = hourly_table(500, {"a", "b"}, [](std::int64_t t, std::size_t c) { return c == 1 && t < 250 ? 1.0 : 1.0 * t; });
  const auto places = [](const std::string& data) {
    return DataPlaces{.data = data, .weft_data = {}, .caches = {}, .mnist = {}, .system = {}};
  };
  folder.write("electricity/electricity_first1000h_203clients.csv.gz", oracle::gzipped(table));
  const std::string own = folder.write("mine.csv", table), cut = folder.write("etth1/ETTh1.csv", table);
  std::vector<std::string> remarks;
  const SeriesData first = find_electricity("first1000h", places(folder.path()), remarks);
  CHECK(first.split.train == 300);
  CHECK(first.split.validation == 100);
  CHECK(first.split.test == 100);
  CHECK(first.series.count() == 2);
  CHECK(remarks.empty());
  const SeriesData mine = find_etth1(places(own), remarks);
  CHECK(mine.split.train == 350);
  CHECK(mine.split.validation == 50);
  CHECK(mine.split.test == 100);
  CHECK(mine.name == "mine.csv");
  CHECK(format_error([&] { find_etth1(places(folder.path()), remarks); }).find("the table has 500 rows") != std::string::npos);
  CHECK(format_error([&] { find_electricity("2014", places(folder.path()), remarks); }).find("no electricity_2014_10clients.csv") !=
        std::string::npos);
  CHECK_THROWS_AS(find_electricity("2015", places(folder.path()), remarks), ConfigError);
  CHECK_FALSE(format_error([&] { find_etth1({}, remarks); }).empty());
}

TEST_CASE("mutated tables are read or refused") {
  std::string table = "date,a,b\n";
  for (int t = 0; t < 24; ++t) table += cat("2016-07-01 ", t, ":00,", t, ",", -0.5 * t, "\n");
  const ScratchFolder folder;
  int read_whole = 0;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const std::string path = folder.write("table.csv", oracle::mutated(table, i));
    try {
      const Series series = read_series(path);
      ++read_whole;
      REQUIRE(static_cast<std::int64_t>(series.values.size()) == series.steps * series.count());
    } catch (const FormatError&) {
    }
  }
  CHECK(read_whole > 30);
  CHECK(read_whole < 2900);
}
