#include <cmath>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>
#include <weft/data/series_loader.hpp>
#include <weft/data/windows.hpp>
#include <weft/tests/oracle/format_error.hpp>

using namespace weft;
using oracle::format_error;

namespace {

/// Series whose value tells its series and step: 1000 c + t.
std::shared_ptr<const StandardSeries> counted(std::int64_t steps, std::int64_t series) {
  auto out = std::make_shared<StandardSeries>();
  out->steps = steps;
  for (std::int64_t c = 0; c < series; ++c) {
    out->names.push_back(cat("s", c));
    for (std::int64_t t = 0; t < steps; ++t) out->values.push_back(static_cast<double>(1000 * c + t));
  }
  return out;
}

SeriesLoaderOptions small_windows() { return {.size = {.look_back = 5, .horizon = 3}, .batch = 20, .dtype = Dtype::f64}; }

/// [row][n] of a tensor.
double value(const Tensor& t, std::int64_t row, std::int64_t n) {
  const std::int64_t lanes = t.columns()->lanes;
  return t.data<double>()[n / lanes * t.tile_stride() + row * lanes + n % lanes];
}

}  // namespace

TEST_CASE("ETTh1 has 8,209, 2,785 and 2,785 windows of 336 + 96 hours, in batches that drop none") {
  const SeriesSplit split{8640, 2880, 2880};
  const WindowSize size{336, 96};
  const auto series = counted(17420, 7);
  const std::int64_t expected[] = {8209, 2785, 2785}, firsts[] = {336, 8640, 11520};
  for (const Part part : {Part::train, Part::validation, Part::test}) {
    const auto p = static_cast<std::size_t>(part);
    CAPTURE(p);
    const WindowRange range = windows_of(split, part, size, "ETTh1.csv");
    CHECK(range.count == expected[p]);
    CHECK(range.first == firsts[p]);
    SeriesLoader loader(series, range, {.size = size});
    loader.begin(0);
    std::int64_t seen = 0;
    for (Batch batch; loader.next(batch);) seen += batch.x.columns()->count;
    CHECK(seen == expected[p]);
    CHECK(loader.batches() == (expected[p] + 31) / 32);
  }
}

TEST_CASE("a part too short for a window is refused with both lengths") {
  const WindowSize size{336, 96};
  const SeriesSplit no_train{431, 96, 96}, no_validation{432, 95, 96}, no_test{432, 96, 95};
  CHECK(windows_of({432, 96, 96}, Part::train, size, "x.csv").count == 1);
  CHECK(format_error([&] { windows_of(no_train, Part::train, size, "x.csv"); }).find("training part has 431 steps, a window takes 432") !=
        std::string::npos);
  CHECK(format_error([&] { windows_of(no_validation, Part::validation, size, "x.csv"); }).find("95") != std::string::npos);
  CHECK(format_error([&] { windows_of(no_test, Part::test, size, "x.csv"); }).find("'x.csv'") != std::string::npos);
  CHECK_THROWS_AS(windows_of({432, 96, 96}, Part::train, {0, 96}, "x.csv"), ConfigError);
}

TEST_CASE("standardised by the mean and population deviation of the training part alone") {
  const Series series{.names = {"a", "b"}, .steps = 4, .values = {1, 10, 3, 20, 100, 30, -100, 0}};
  const StandardSeries s = standardised(series, 2, "x.csv");
  CHECK(s.mean == std::vector<double>{2, 15});
  CHECK(s.deviation == std::vector<double>{1, 5});
  CHECK(s.values == std::vector<double>{-1, 1, 98, -102, -1, 1, 3, -3});
  const Series constant{.names = {"a"}, .steps = 3, .values = {1, 1, 2}};
  CHECK(format_error([&] { standardised(constant, 2, "x.csv"); }).find("series 'a' is constant") != std::string::npos);
  const Series far{.names = {"a"}, .steps = 3, .values = {0, 1e-30, 1e30}};
  CHECK(format_error([&] { standardised(far, 2, "x.csv"); }).find("too far from its mean") != std::string::npos);
}

TEST_CASE("a window is its look-back and the horizon behind it, in both orders of axes, whole tables or single series") {
  const auto series = counted(40, 3);
  const WindowRange range{5, 33};
  for (const SampleOf sample : {SampleOf::all_series, SampleOf::one_series})
    for (const SeriesAxes axes : {SeriesAxes::time_last, SeriesAxes::time_first}) {
      SeriesLoaderOptions options = small_windows();
      options.sample = sample, options.axes = axes;
      SeriesLoader loader(series, range, options);
      const std::int64_t channels = sample == SampleOf::all_series ? 3 : 1;
      CHECK(loader.size() == 33 * (3 / channels));
      CHECK(loader.input() == (axes == SeriesAxes::time_last ? Shape{channels, 5} : Shape{5, channels}));
      loader.begin(0);
      std::set<double> firsts;
      for (Batch batch; loader.next(batch);) {
        CHECK(*batch.x.columns() == *batch.targets.columns());
        for (std::int64_t n = 0; n < batch.x.columns()->padded(); ++n)
          for (std::int64_t c = 0; c < channels; ++c) {
            const auto at = [&](const Tensor& t, std::int64_t steps, std::int64_t step) {
              return value(t, axes == SeriesAxes::time_last ? c * steps + step : step * channels + c, n);
            };
            const double first = at(batch.x, 5, 0);
            if (c == 0) firsts.insert(first);
            if (channels == 3) REQUIRE(first == value(batch.x, 0, n) + static_cast<double>(1000 * c));
            for (std::int64_t t = 1; t < 5; ++t) REQUIRE(at(batch.x, 5, t) == first + static_cast<double>(t));
            for (std::int64_t t = 0; t < 3; ++t) REQUIRE(at(batch.targets, 3, t) == first + static_cast<double>(5 + t));
          }
      }
      CHECK(static_cast<std::int64_t>(firsts.size()) == loader.size());  // each sample once, and padding repeats one of them
    }
}

TEST_CASE("the order is a function of seed and epoch; an epoch entered later gives the same batches") {
  const auto series = counted(80, 2);
  const auto firsts = [&](std::uint64_t seed, std::int64_t epoch, std::int64_t first_batch, Shuffle shuffle) {
    SeriesLoaderOptions options = small_windows();
    options.seed = seed, options.shuffle = shuffle;
    SeriesLoader loader(series, {5, 70}, options);
    loader.begin(epoch, first_batch);
    std::vector<double> seen;
    for (Batch batch; loader.next(batch);)
      for (std::int64_t n = 0; n < batch.x.columns()->count; ++n) seen.push_back(value(batch.x, 0, n));
    return seen;
  };
  const std::vector<double> once = firsts(1, 0, 0, Shuffle::yes);
  CHECK(once == firsts(1, 0, 0, Shuffle::yes));
  CHECK(once != firsts(2, 0, 0, Shuffle::yes));
  CHECK(once != firsts(1, 1, 0, Shuffle::yes));
  CHECK(firsts(1, 0, 2, Shuffle::yes) == std::vector<double>(once.begin() + 40, once.end()));
  const std::vector<double> in_order = firsts(1, 0, 0, Shuffle::no);
  for (std::size_t i = 0; i < in_order.size(); ++i) REQUIRE(in_order[i] == static_cast<double>(i));
}

TEST_CASE("a last batch is padded with its last sample, or left out") {
  const auto series = counted(40, 1);
  SeriesLoaderOptions options = small_windows();
  options.shuffle = Shuffle::no;
  SeriesLoader loader(series, {5, 33}, options);
  loader.begin(0, 1);
  Batch batch;
  REQUIRE(loader.next(batch));
  CHECK(batch.x.columns()->count == 13);
  CHECK(batch.x.columns()->padded() == 16);
  for (std::int64_t n = 13; n < 16; ++n) {
    CHECK(value(batch.x, 4, n) == value(batch.x, 4, 12));
    CHECK(value(batch.targets, 2, n) == value(batch.targets, 2, 12));
  }
  CHECK_FALSE(loader.next(batch));
  options.last = LastBatch::drop;
  CHECK(SeriesLoader(series, {5, 33}, options).batches() == 1);
}

TEST_CASE("a loader refuses what lies outside its series") {
  const auto series = counted(40, 1);
  CHECK_THROWS_AS(SeriesLoader(series, {4, 10}, small_windows()), UsageError);
  CHECK_THROWS_AS(SeriesLoader(series, {5, 34}, small_windows()), UsageError);
  SeriesLoaderOptions none = small_windows();
  none.batch = 0;
  CHECK_THROWS_AS(SeriesLoader(series, {5, 33}, none), UsageError);
  SeriesLoader loader(series, {5, 33}, small_windows());
  Batch batch;
  CHECK_FALSE(loader.next(batch));  // before any begin
  CHECK_THROWS_AS(loader.begin(0, 3), UsageError);
  CHECK_THROWS_AS(loader.begin(-1), UsageError);
}

TEST_CASE("naive forecasts: a daily series is repeated without error, a line has the errors of its slope") {
  StandardSeries daily;
  daily.names = {"daily"};
  daily.steps = 24 * 21;
  for (std::int64_t t = 0; t < daily.steps; ++t) daily.values.push_back(static_cast<double>(t % 24));
  const std::vector<Baseline> found = baselines(daily, {168, 24 * 14 - 47}, {168, 48}, 3600);
  REQUIRE(found.size() == 4);
  CHECK(found[0].name == "repeat last");
  CHECK(found[0].mse > 1);
  CHECK(found[1].name == "repeat day");
  CHECK(found[1].mse == 0);
  CHECK(found[2].name == "repeat week");
  CHECK(found[2].mae == 0);
  CHECK(found[3].name == "window mean");
  StandardSeries line = daily;
  for (std::size_t t = 0; t < line.values.size(); ++t) line.values[t] = static_cast<double>(t);
  const std::vector<Baseline> of_line = baselines(line, {4, 5}, {4, 3}, 0);
  REQUIRE(of_line.size() == 2);                        // no interval: nobody knows what a day is
  CHECK(of_line[0].mae == doctest::Approx(2));         // (1 + 2 + 3) / 3
  CHECK(of_line[0].mse == doctest::Approx(14.0 / 3));  // (1 + 4 + 9) / 3
  CHECK(of_line[1].mae == doctest::Approx(3.5));       // 2.5, 3.5, 4.5
  CHECK(of_line[1].mse == doctest::Approx(12.25 + 2.0 / 3));
}
