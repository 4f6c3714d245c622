#pragma once

#include <functional>
#include <string>
#include <vector>

namespace weft::bench {

/// One contender of a comparison.
struct Candidate {
  std::string name;
  std::function<double(int calls)> run;  ///< makes that many calls and returns the seconds they took
  bool own_threads = false;              ///< its threads are not OpenMP's of this process, and spin for a while after a call
};

/// A candidate whose calls are timed here: by the processor time of this thread where threads() is 1, so that programs which
/// take turns with it do not count, else by the wall clock.
Candidate timed(std::string name, std::function<void()> call, bool own_threads = false);

struct MeasureOptions {
  int rounds = 40;
  double window = 0.5e-3;  ///< seconds that short calls are repeated to fill; a longer call is made once
};

/// Seconds of one call of each candidate: the 25th percentile over rounds. In a round each candidate has one window, so that
/// all of them meet the same neighbours, clock and caches; the one that begins changes from round to round. Machines that
/// other programs share stand still for milliseconds: a window must be shorter than that, and an average says nothing.
std::vector<double> measure(const std::vector<Candidate>& candidates, const MeasureOptions& options);

/// The value below which a share `q` of the samples lies, between neighbours linearly. Throws UsageError without samples.
double percentile(std::vector<double> samples, double q);
double geometric_mean(const std::vector<double>& values);

}  // namespace weft::bench
