#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weft {

/// Series measured at the same steps.
struct Series {
  static constexpr std::int64_t kMostValues = 1 << 25;  ///< that a reader stores

  std::vector<std::string> names;
  std::int64_t steps = 0;
  std::vector<double> values;  ///< [step][series], all finite and at most 1e100 in size
  std::int64_t interval = 0;   ///< seconds from step to step; 0: the file has no times

  std::int64_t count() const { return static_cast<std::int64_t>(names.size()); }
  double at(std::int64_t step, std::int64_t series) const { return values[static_cast<std::size_t>(step * count() + series)]; }
};

/// Reads a CSV table, plain or gzip: a row of names, then a row for each step. The first column may be the time (parse_time), followed by
/// one called "hour" where it is only the date. Separated by commas, or by semicolons, then with decimal commas. `rows_per_step`
/// neighbouring rows are added to one step, so that quarter hours become hours.
/// Cost: memory of the values, at most kMostValues.
/// Throws FormatError, with the line, as Csv and for a value that is missing, no number, not finite or beyond 1e100, for times that are
/// not the same interval apart (gaps, repeated or unordered ones), and for a table without names, series or rows.
Series read_series(const std::string& path, int rows_per_step = 1);

/// How a table is divided: steps of its three parts, which follow each other.
struct SeriesSplit {
  std::int64_t train = 0, validation = 0, test = 0;
};

/// 70 %, 10 % and 20 % of the steps, train and test rounded down.
SeriesSplit split_70_10_20(std::int64_t steps);

/// A data set that was found.
struct SeriesData {
  std::string name, source;
  Series series;
  SeriesSplit split;
};

/// Removes the series that are constant over the first `train` steps, of which there is nothing to learn and which have no deviation to
/// divide by. Returns their names. Throws FormatError if none is left; `source` names the file in it.
std::vector<std::string> remove_constant(Series& series, std::int64_t train, const std::string& source);

}  // namespace weft
