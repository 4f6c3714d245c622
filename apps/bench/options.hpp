#pragma once

#include <string>
#include <vector>

namespace weft::bench {

/// What a call of `bench` was asked for.
struct Options {
  bool quick = false;
  std::string filter;        ///< a regular expression that the name of a cell must contain; empty: all
  std::vector<int> threads;  ///< empty: 1 for kernels, 1 and 2 for training steps
  int rounds = 0;            ///< 0: 40, or 12 with quick
  double density = 0.25;     ///< of the sparse layers that are compared with dense ones
  std::string json;          ///< file for every number; empty: none

  int measured_rounds() const { return rounds > 0 ? rounds : quick ? 12 : 40; }
};

/// Reads the flags. Prints the help and throws Exit{0} for --help; throws ConfigError for an unknown flag (naming the nearest
/// valid one), a value out of range or a filter that is no regular expression.
Options read_options(int argc, const char* const* argv);

}  // namespace weft::bench
