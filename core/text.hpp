#pragma once

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// Joins its arguments as `std::ostream` would print them.
template <class... Args>
std::string cat(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

/// The candidate nearest to `word` by edit distance; empty if there are no candidates. Names the valid key in error texts.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace weft
