#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <weft/apps/paper/trials.hpp>

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
  std::string quality;                                       ///< exceeds, matches, below or undecided
  std::string epochs;                                        ///< fewer, comparable, more, undecided, or "not reached"
  double difference = 0;                                     ///< of the test metric, mean over the seeds; positive where the form is better
  std::optional<double> interval;                            ///< half of its 95 % interval, of three seeds and more
  std::optional<double> epochs_ratio;                        ///< geometric mean over the seeds of epochs to target / native's
  std::optional<std::pair<double, double>> epochs_interval;  ///< its 95 % interval, of three seeds and more
};

/// Quality: "matches" if the difference is at most kTolerance of native's value, "exceeds" and "below" if it is more; with three seeds
/// and more the whole 95 % interval (Student's t of the paired differences) must say so, or zero lie outside it, else it is "undecided".
/// Epochs: "comparable" within 10 %, "fewer" and "more" beyond; with three seeds and more the whole 95 % interval of the paired ratios must
/// lie within 10 %, or on that side of 1, else it is "undecided"; "not reached" if a seed missed the target. The two lists hold the same
/// seeds in the same order, trained for the same number of epochs: a longer schedule would meet its target later. Throws UsageError if they
/// do not, or are empty.
Verdict compare(const std::vector<Outcome>& form, const std::vector<Outcome>& native);

}  // namespace weft::paper
