#pragma once

#include <cstddef>
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

/// Words with a comma and a space between them.
std::string joined(const std::vector<std::string>& words);

/// The candidate nearest to `word`, to be named in an error text; empty if none lies within half the word's length of edits (or 1).
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// The first byte of the first sequence that is not UTF-8 (RFC 3629); npos if there is none.
std::size_t invalid_utf8(std::string_view text);

}  // namespace weft
