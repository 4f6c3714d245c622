#pragma once

#include <functional>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include <weft/apps/bench/measure.hpp>
#include <weft/apps/bench/options.hpp>
#include <weft/apps/bench/results.hpp>

namespace weft::bench {

/// What all tables share.
struct Context {
  const Options& options;
  Results& results;
  std::regex filter;
  std::map<int, double> best_probe{};  ///< GF/s of the FMA probe undisturbed, by number of threads

  bool wants(const std::string& cell) const { return std::regex_search(cell, filter); }
  MeasureOptions measuring() const { return {.rounds = options.measured_rounds()}; }
};

/// Threads of weft and of every peer in this process.
void set_team(int threads);
/// "1 thread", "2 threads".
std::string team();

/// A library that does the same work as an entry. Without a call it is absent and left out.
struct Rival {
  std::string name;
  std::function<void()> call;
  bool own_threads = false;
};

/// One of weft's calls in a race, with those it is compared with.
struct Entry {
  std::string cell;
  double flops = 0;  ///< useful FLOPs of a call
  std::function<void()> call;
  std::vector<Rival> rivals;
};

/// What became of an entry.
struct Outcome {
  double gflops = 0, share = 0;          ///< of useful FLOPs a second, and relative to the probe's
  std::map<std::string, double> ratios;  ///< by rival: its time / weft's
  bool disturbed = false;                ///< the probe fell far below its best: shares say nothing, ratios little
};

/// The share as tables show it; "~" marks a disturbed one.
std::string show_share(const Outcome& outcome);
/// Judges a figure as Results::judge does; a disturbed one is listed as not judged.
std::string judge_if_calm(Results& results, const std::string& what, double value, double floor, Unit unit, bool disturbed);

/// As measure(); the first candidate must be the FMA probe. Begins again, twice at most, while the probe was disturbed; false if it
/// was to the end.
bool measure_calmly(Context& context, const std::vector<Candidate>& candidates, std::vector<double>& seconds);

/// Runs the entries that the filter wants, their rivals and the FMA probe in common rounds; results by cell, also for --json.
std::map<std::string, Outcome> race(Context& context, const std::vector<Entry>& entries);

}  // namespace weft::bench
