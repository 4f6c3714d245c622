#include <weft/apps/paper/verdict.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft::paper {

namespace {

/// The 97.5 % quantile of Student's t with 1 to 9 degrees of freedom.
constexpr std::array<double, 9> kStudent{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262};
constexpr double kComparable = 0.1;

double best(Metric metric, const std::vector<Evaluation>& curve) {
  double found = curve.front().value;
  for (const Evaluation& e : curve)
    if (gain(metric, e.value, found) > 0) found = e.value;
  return found;
}

std::string quality(double difference, double interval, double native) {
  const double margin = kTolerance * native;
  if (std::abs(difference) + interval <= margin) return "matches";
  if (std::abs(difference) <= margin || std::abs(difference) <= interval) return "undecided";
  return difference > 0 ? "exceeds" : "below";
}

/// Of a ratio to native's epochs and the ends of its interval.
std::string epochs(double ratio, double low, double high) {
  if (low >= 1 - kComparable && high <= 1 + kComparable) return "comparable";
  if (ratio < 1 - kComparable && high < 1) return "fewer";
  if (ratio > 1 + kComparable && low > 1) return "more";
  return "undecided";
}

}  // namespace

Spread spread(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double v : values) sum += v;
  const double mean = sum / n;
  for (const double v : values) squares += (v - mean) * (v - mean);
  if (values.size() < 3) return {mean, std::nullopt};
  return {mean, std::sqrt(squares / (n - 1))};
}

std::optional<double> epochs_to_target(const Outcome& outcome, const Outcome& native, double tolerance) {
  const Metric metric = native.metric;
  if (native.curve.empty()) return std::nullopt;
  const double target = best(metric, native.curve) * (metric == Metric::accuracy ? 1 - tolerance : 1 + tolerance);
  for (const Evaluation& e : outcome.curve)
    if (gain(metric, e.value, target) >= 0) return e.epoch;
  return std::nullopt;
}

Verdict compare(const std::vector<Outcome>& form, const std::vector<Outcome>& native) {
  if (form.empty() || form.size() != native.size())
    throw UsageError({.op = "compare", .what = cat(form.size(), " trainings beside ", native.size(), " native ones")});
  std::vector<double> differences, values, logs;
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (form[i].cell.seed != native[i].cell.seed || form[i].epochs != native[i].epochs)
      throw UsageError({.op = "compare",
                        .what = cat("seed ", form[i].cell.seed, " after ", form[i].epochs, " epochs beside seed ", native[i].cell.seed,
                                    " after ", native[i].epochs)});
    differences.push_back(gain(native[i].metric, form[i].value, native[i].value));
    values.push_back(native[i].value);
    const std::optional<double> own = epochs_to_target(form[i], native[i]), other = epochs_to_target(native[i], native[i]);
    if (own && other) logs.push_back(std::log(*own / *other));
  }
  const Spread difference = spread(differences);
  Verdict verdict{.quality = "",
                  .epochs = "not reached",
                  .difference = difference.mean,
                  .interval = std::nullopt,
                  .epochs_ratio = std::nullopt,
                  .epochs_interval = std::nullopt};
  if (difference.deviation)
    verdict.interval = kStudent.at(form.size() - 2) * *difference.deviation / std::sqrt(static_cast<double>(form.size()));
  verdict.quality = quality(difference.mean, verdict.interval.value_or(0), spread(values).mean);
  if (logs.size() < form.size()) return verdict;
  const Spread log = spread(logs);
  const double half = log.deviation ? kStudent.at(logs.size() - 2) * *log.deviation / std::sqrt(static_cast<double>(logs.size())) : 0;
  verdict.epochs_ratio = std::exp(log.mean);
  if (log.deviation) verdict.epochs_interval = std::pair{std::exp(log.mean - half), std::exp(log.mean + half)};
  verdict.epochs = epochs(*verdict.epochs_ratio, std::exp(log.mean - half), std::exp(log.mean + half));
  return verdict;
}

}  // namespace weft::paper
