#include <weft/data/series.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <weft/core/error.hpp>
#include <weft/core/files/gzip_file.hpp>
#include <weft/core/text.hpp>
#include <weft/data/csv.hpp>
#include <weft/data/timestamp.hpp>

namespace weft {

namespace {

constexpr double kLargest = 1e100;  // its square, summed, is still finite

/// Semicolon if the first line has more of them than commas.
char separator_of(const std::string& path) {
  GzipFile file("series", path);
  std::array<std::uint8_t, 1 << 12> bytes{};
  const auto end = bytes.begin() + static_cast<std::ptrdiff_t>(file.read(bytes.data(), bytes.size()));
  const auto line_end = std::find(bytes.begin(), end, std::uint8_t{'\n'});
  return std::count(bytes.begin(), line_end, std::uint8_t{';'}) > std::count(bytes.begin(), line_end, std::uint8_t{','}) ? ';' : ',';
}

/// The number that the whole field is; infinities and NaN count.
std::optional<double> number_of(std::string field, char separator) {
  if (separator == ';') std::replace(field.begin(), field.end(), ',', '.');
  double value = 0;
  const char* const end = field.data() + field.size();
  const auto [read, error] = std::from_chars(field.data(), end, value);
  if (error != std::errc() || read != end) return std::nullopt;
  return value;
}

/// What stands in front of the values of a row.
enum class TimeColumns : std::size_t { none = 0, time = 1, date_and_hour = 2 };

/// Reads one table row by row.
class TableReader {
 public:
  TableReader(const std::string& path, int rows_per_step)
      : path_(path), separator_(separator_of(path)), csv_("series", path, {.separator = separator_}), rows_per_step_(rows_per_step) {}

  Series read() {
    if (!csv_.next(header_)) refuse_empty("the file is empty");
    for (std::int64_t row = 0; csv_.next(row_); ++row) {
      if (row == 0) begin_table();
      if (times_ != TimeColumns::none) check_time(row);
      add_values(row % rows_per_step_ == 0);
      rows_ = row + 1;
    }
    if (rows_ == 0) refuse_empty("no row of values follows the names");
    if (rows_ % rows_per_step_ != 0) refuse_empty(cat("the table has ", rows_, " rows, a step takes ", rows_per_step_));
    series_.steps = rows_ / rows_per_step_;
    series_.interval *= rows_per_step_;
    return std::move(series_);
  }

 private:
  [[noreturn]] void refuse_empty(const std::string& what) const {
    throw FormatError(
        {.op = "series", .path = path_, .what = what, .hint = "a row of names comes first, then one of values for each step"});
  }

  std::string column(std::size_t i) const { return cat("column ", i + 1, " ('", header_[i], "')"); }

  /// Where the times are, and the names of what follows them.
  void begin_table() {
    if (!number_of(row_[0], separator_)) times_ = TimeColumns::time;
    if (times_ == TimeColumns::time && row_.size() > 1 && header_[1] == "hour") times_ = TimeColumns::date_and_hour;
    first_ = static_cast<std::size_t>(times_);
    if (header_.size() == first_) csv_.refuse("the table has times and no series", "add a column of numbers");
    const auto is_number = [&](const std::string& name) { return number_of(name, separator_).has_value(); };
    const bool nameless =
        times_ == TimeColumns::none ? std::all_of(header_.begin(), header_.end(), is_number) : bool(parse_time(header_[0]));
    if (nameless) refuse_empty("the first row has values, not the names of the columns");
    for (std::size_t i = first_; i < header_.size(); ++i)
      if (header_[i].empty()) refuse_empty(cat("column ", i + 1, " has no name"));
    series_.names.assign(header_.begin() + static_cast<std::ptrdiff_t>(first_), header_.end());
  }

  std::int64_t time() const {
    const std::optional<std::int64_t> time = parse_time(row_[0]);
    if (!time) csv_.refuse(cat(column(0), " is '", row_[0].substr(0, 40), "', no time"), "write times as 2016-07-01 02:00:00");
    if (times_ == TimeColumns::time) return *time;
    const double hour = number_of(row_[1], separator_).value_or(-1);
    if (!(hour >= 0 && hour <= 23) || hour != std::floor(hour))
      csv_.refuse(cat(column(1), " is '", row_[1].substr(0, 40), "', no hour"), "hours go from 0 to 23");
    return *time + static_cast<std::int64_t>(hour) * 3600;
  }

  void check_time(std::int64_t row) {
    const std::int64_t now = time(), apart = now - last_;
    if (row == 1) series_.interval = apart;
    if (row >= 1 && apart <= 0)
      csv_.refuse(cat("the time ", row_[0], apart == 0 ? " is that of the row before" : " is before that of the row before"),
                  "sort the rows by time and keep one for each");
    if (row >= 2 && apart != series_.interval)
      csv_.refuse(
          cat("the time ", row_[0], " is ", apart, " seconds after the row before, the first rows are ", series_.interval, " apart"),
          "fill gaps, or leave the time column away where steps are not equally long");
    last_ = now;
  }

  double value(std::size_t i) const {
    const std::optional<double> value = number_of(row_[i], separator_);
    if (row_[i].empty()) csv_.refuse(cat(column(i), " is empty"), "fill gaps with values");
    if (!value) csv_.refuse(cat(column(i), " is '", row_[i].substr(0, 40), "', no number"), "leave away the columns that are no series");
    if (!(std::fabs(*value) <= kLargest)) csv_.refuse(cat(column(i), " is ", *value), "fill gaps with finite values");
    return *value;
  }

  void add_values(bool begins_step) {
    const auto stored = static_cast<std::int64_t>(series_.values.size());
    if (begins_step) {
      if (stored + series_.count() > Series::kMostValues)
        csv_.refuse(cat("the table has more than ", Series::kMostValues, " values"), "take fewer series or steps");
      for (std::size_t i = first_; i < row_.size(); ++i) series_.values.push_back(value(i));
    } else {
      double* to = series_.values.data() + stored - series_.count();
      for (std::size_t i = first_; i < row_.size(); ++i) *to++ += value(i);
    }
  }

  std::string path_;
  char separator_;
  Csv csv_;
  int rows_per_step_;
  std::vector<std::string> header_, row_;
  TimeColumns times_ = TimeColumns::none;
  std::size_t first_ = 0;  // column of values
  std::int64_t rows_ = 0, last_ = 0;
  Series series_;
};

/// Whether a series has one value over the first steps.
bool is_constant(const Series& series, std::int64_t c, std::int64_t steps) {
  for (std::int64_t t = 1; t < steps; ++t)
    if (series.at(t, c) != series.at(0, c)) return false;
  return true;
}

}  // namespace

Series read_series(const std::string& path, int rows_per_step) { return TableReader(path, rows_per_step).read(); }

SeriesSplit split_70_10_20(std::int64_t steps) {
  const std::int64_t train = steps * 7 / 10, test = steps / 5;
  return {train, steps - train - test, test};
}

std::vector<std::string> remove_constant(Series& series, std::int64_t train, const std::string& source) {
  std::vector<std::int64_t> kept;
  std::vector<std::string> removed, names;
  for (std::int64_t c = 0; c < series.count(); ++c) {
    const std::string& name = series.names[static_cast<std::size_t>(c)];
    if (is_constant(series, c, train)) removed.push_back(name);
    else kept.push_back(c), names.push_back(name);
  }
  if (kept.empty())
    throw FormatError({.op = "series",
                       .path = source,
                       .what = cat("every series is constant over the ", train, " steps of the training part"),
                       .hint = "there is nothing to learn from them"});
  if (removed.empty()) return removed;
  std::size_t to = 0;
  for (std::int64_t t = 0; t < series.steps; ++t)
    for (const std::int64_t c : kept) series.values[to++] = series.at(t, c);
  series.values.resize(to);
  series.names = std::move(names);
  return removed;
}

}  // namespace weft
