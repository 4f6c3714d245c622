#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <weft/data/series.hpp>

namespace weft {

/// Series in deviations from their mean over the training part.
struct StandardSeries {
  std::vector<std::string> names;
  std::vector<double> mean, deviation;  ///< of each series (the population's deviation)
  std::int64_t steps = 0;
  std::vector<double> values;  ///< [series][step]

  std::int64_t count() const { return static_cast<std::int64_t>(names.size()); }
  const double* of(std::int64_t series) const { return values.data() + series * steps; }
};

/// (x - mean)/deviation, both over the first `train` steps. Throws FormatError for a series that is constant there (see remove_constant)
/// or has values too far from its mean for single precision; `source` names the file.
StandardSeries standardised(const Series& series, std::int64_t train, const std::string& source);

/// What a model sees and what it tells of a series, in steps.
struct WindowSize {
  std::int64_t look_back = 336, horizon = 96;
};

enum class Part : std::uint8_t { train, validation, test };

/// Windows one step apart: their horizons begin at steps first, ..., first + count - 1.
struct WindowRange {
  std::int64_t first = 0, count = 0;
};

/// All windows whose horizons lie in a part; the steps before a horizon may lie in an earlier part. Throws FormatError if the training
/// part is shorter than look-back and horizon together or another part shorter than the horizon; `source` names the file. ConfigError
/// for a look-back or horizon below 1.
WindowRange windows_of(const SeriesSplit& split, Part part, WindowSize size, const std::string& source);

/// The error of a forecast that nobody trained, over all windows and series, in units of the training part's deviation.
struct Baseline {
  std::string name;
  double mse = 0, mae = 0;
};

/// Repeating the last value, the last day and the last week (where an interval is known and the look-back holds them), and the look-back's
/// mean. In double.
std::vector<Baseline> baselines(const StandardSeries& series, WindowRange windows, WindowSize size, std::int64_t interval);

}  // namespace weft
