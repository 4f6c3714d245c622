#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <weft/core/sparse_pattern.hpp>

namespace weft::oracle {

/// A row of tests/cases.inc.
struct PatternCase {
  std::string name;
  PatternPtr pattern;
};
/// All rows, built once.
const std::vector<PatternCase>& pattern_cases();

}  // namespace weft::oracle
