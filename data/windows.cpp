#include <weft/data/windows.hpp>

#include <cfloat>
#include <cmath>
#include <cstddef>
#include <functional>
#include <numeric>
#include <utility>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

StandardSeries standardised(const Series& series, std::int64_t train, const std::string& source) {
  StandardSeries out{.names = series.names, .mean = {}, .deviation = {}, .steps = series.steps, .values = {}};
  out.values.reserve(series.values.size());
  for (std::int64_t c = 0; c < series.count(); ++c) {
    const auto refuse = [&](const std::string& what) {
      throw FormatError({.op = "series",
                         .path = source,
                         .what = cat("series '", series.names[static_cast<std::size_t>(c)], "' ", what),
                         .hint = "leave its column away"});
    };
    double sum = 0, squares = 0;
    for (std::int64_t t = 0; t < train; ++t) sum += series.at(t, c);
    const double mean = sum / static_cast<double>(train);
    for (std::int64_t t = 0; t < train; ++t) squares += (series.at(t, c) - mean) * (series.at(t, c) - mean);
    const double deviation = std::sqrt(squares / static_cast<double>(train));
    if (!(deviation > 0)) refuse("is constant in the training part");
    for (std::int64_t t = 0; t < series.steps; ++t) {
      out.values.push_back((series.at(t, c) - mean) / deviation);
      if (!(std::fabs(out.values.back()) <= FLT_MAX)) refuse(cat("is ", series.at(t, c), " at step ", t, ", too far from its mean ", mean));
    }
    out.mean.push_back(mean);
    out.deviation.push_back(deviation);
  }
  return out;
}

WindowRange windows_of(const SeriesSplit& split, Part part, WindowSize size, const std::string& source) {
  if (size.look_back < 1 || size.horizon < 1)
    throw ConfigError({.op = "windows",
                       .what = cat("look-back is ", size.look_back, " and horizon ", size.horizon, ": both must be at least 1"),
                       .hint = "a day or more is usual"});
  const std::int64_t before = part == Part::train ? 0 : part == Part::validation ? split.train : split.train + split.validation;
  const std::int64_t steps = part == Part::train ? split.train : part == Part::validation ? split.validation : split.test;
  const std::int64_t unseen = part == Part::train ? size.look_back : 0;  // nothing is forecast before the first look-back is full
  const WindowRange range{before + unseen, steps - unseen - size.horizon + 1};
  if (range.count < 1)
    throw FormatError({.op = "series",
                       .path = source,
                       .what = cat("the ",
                                   part == Part::train        ? "training"
                                   : part == Part::validation ? "validation"
                                                              : "test",
                                   " part has ", steps, " steps, a window takes ", unseen + size.horizon),
                       .hint = "take a shorter --look-back or --horizon"});
  return range;
}

namespace {

/// Value `h` of the forecast at a step of a series; `line` points to that step.
using Forecast = std::function<double(const double* line, std::int64_t h)>;

Baseline error_of(const std::string& name, const StandardSeries& series, WindowRange windows, WindowSize size, const Forecast& forecast) {
  double squares = 0, sizes = 0;
  for (std::int64_t c = 0; c < series.count(); ++c)
    for (std::int64_t t = windows.first; t < windows.first + windows.count; ++t)
      for (std::int64_t h = 0; h < size.horizon; ++h) {
        const double* const line = series.of(c) + t;
        const double error = forecast(line, h) - line[h];
        squares += error * error, sizes += std::fabs(error);
      }
  const auto values = static_cast<double>(series.count() * windows.count * size.horizon);
  return {name, squares / values, sizes / values};
}

/// The value at the same place of the last `period` steps.
Forecast repeated(std::int64_t period) {
  return [period](const double* line, std::int64_t h) { return line[h % period - period]; };
}

}  // namespace

std::vector<Baseline> baselines(const StandardSeries& series, WindowRange windows, WindowSize size, std::int64_t interval) {
  std::vector<Baseline> all{error_of("repeat last", series, windows, size, repeated(1))};
  constexpr std::int64_t kDay = 24 * 60 * 60;
  for (const auto& [name, seconds] : {std::pair{"repeat day", kDay}, std::pair{"repeat week", 7 * kDay}}) {
    const std::int64_t period = interval > 0 && seconds % interval == 0 ? seconds / interval : 0;
    if (period > 1 && period <= size.look_back) all.push_back(error_of(name, series, windows, size, repeated(period)));
  }
  double mean = 0;  // of the window at hand: its horizon's first value is asked for first
  all.push_back(error_of("window mean", series, windows, size, [&mean, back = size.look_back](const double* line, std::int64_t h) {
    if (h == 0) mean = std::accumulate(line - back, line, 0.0) / static_cast<double>(back);
    return mean;
  }));
  return all;
}

}  // namespace weft
