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
};

/// Runs the entries that the filter wants, their rivals and the FMA probe in common rounds; results by cell, also for --json.
std::map<std::string, Outcome> race(Context& context, const std::vector<Entry>& entries);

}  // namespace weft::bench
