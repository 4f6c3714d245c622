#include <weft/apps/bench/measure.hpp>

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <thread>
#include <utility>

#include <weft/core/error.hpp>
#include <weft/core/parallel.hpp>

namespace weft::bench {

namespace {

/// Longer than idle OpenMP and OpenBLAS threads spin (5 to 30 ms) before they leave the core to others.
constexpr std::chrono::milliseconds kSettle{30};
/// Calls below this many seconds have one untimed call before their window: what the others put out of L2 costs them too large a share.
constexpr double kWarmBelow = 2e-3;

double now(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// How many calls fill a window: from the fastest of three, after one that builds plans and touches memory.
int calls_for(const Candidate& candidate, double window, double& seconds) {
  candidate.run(1);
  seconds = candidate.run(1);
  for (int i = 0; i < 2; ++i) seconds = std::min(seconds, candidate.run(1));
  return static_cast<int>(std::clamp(window / std::max(seconds, 1e-8), 1.0, 1e5));
}

}  // namespace

Candidate timed(std::string name, std::function<void()> call, bool own_threads) {
  auto run = [call = std::move(call)](int calls) {
    const clockid_t clock = threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    const double began = now(clock);
    for (int i = 0; i < calls; ++i) call();
    return now(clock) - began;
  };
  return {std::move(name), std::move(run), own_threads};
}

std::vector<double> measure(const std::vector<Candidate>& candidates, const MeasureOptions& options) {
  const std::size_t n = candidates.size();
  std::vector<int> calls(n);
  std::vector<char> warm(n);
  for (std::size_t i = 0; i < n; ++i) {
    double seconds = 0;
    calls[i] = calls_for(candidates[i], options.window, seconds);
    warm[i] = seconds < kWarmBelow;
  }
  std::vector<std::vector<double>> samples(n);
  bool strangers_spin = false;
  for (int round = 0; round < options.rounds; ++round)
    for (std::size_t k = 0; k < n; ++k) {
      const std::size_t i = (k + static_cast<std::size_t>(round)) % n;
      if (threads() > 1 && strangers_spin != candidates[i].own_threads) std::this_thread::sleep_for(kSettle);
      strangers_spin = candidates[i].own_threads;
      if (warm[i]) candidates[i].run(1);
      samples[i].push_back(candidates[i].run(calls[i]) / calls[i]);
    }
  std::vector<double> seconds;
  for (const std::vector<double>& s : samples) seconds.push_back(percentile(s, 0.25));
  return seconds;
}

double percentile(std::vector<double> samples, double q) {
  if (samples.empty()) throw UsageError({.op = "percentile", .what = "there are no samples", .hint = "measure at least one round"});
  std::sort(samples.begin(), samples.end());
  const double at = q * static_cast<double>(samples.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, samples.size() - 1);
  return samples[below] + (at - static_cast<double>(below)) * (samples[above] - samples[below]);
}

double geometric_mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += std::log(v);
  return values.empty() ? 0 : std::exp(sum / static_cast<double>(values.size()));
}

}  // namespace weft::bench
