#pragma once

#include <optional>
#include <string>
#include <vector>

#include <weft/apps/paper/cell.hpp>

namespace weft::paper {

/// Mean and sample deviation; the deviation is given for three values and more.
struct Spread {
  double mean = 0;
  std::optional<double> deviation;
};
Spread spread(const std::vector<double>& values);

/// The epoch at which a curve first comes within `tolerance` of the best value of `native`'s curve; nothing if it never does.
std::optional<double> epochs_to_target(const Outcome& outcome, const Outcome& native, double tolerance = kTolerance);

/// How a form compares with the native one, seed by seed.
struct Verdict {
  std::string quality;                 ///< exceeds, matches or below
  std::string epochs;                  ///< fewer, comparable or more; "-" where the target was not reached
  double difference = 0;               ///< of test accuracy, mean over the seeds
  std::optional<double> interval;      ///< half of its 95 % interval, of three seeds and more
  std::optional<double> epochs_ratio;  ///< geometric mean over the seeds of epochs to target / native's
};

/// Quality: with three seeds and more, "matches" if the 95 % interval (Student's t) of the paired differences holds zero; with fewer, if
/// the mean difference is at most kTolerance of native's accuracy. Epochs: comparable within 10 %. The two lists hold the same seeds in
/// the same order. Throws UsageError if they are empty or differ in length.
Verdict compare(const std::vector<Outcome>& form, const std::vector<Outcome>& native);

}  // namespace weft::paper
