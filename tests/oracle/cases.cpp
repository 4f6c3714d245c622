#include <weft/tests/oracle/cases.hpp>

#include <numeric>

#include <weft/core/patterns.hpp>
#include <weft/core/random.hpp>

namespace weft::oracle {

namespace {

using namespace weft::patterns;  // as tests/cases.inc expects

/// Scalars at random columns, `per_row` a row, out of order; `slots` shared ones, or their own if 0.
PatternPtr scalar_pattern(std::int64_t rows, std::int64_t cols, int per_row, std::int32_t slots) {
  const Random random(3, hash_name("scalar_pattern"));
  PatternSpec spec{.rows = rows, .cols = cols, .row_ptr = {0}, .slots = slots, .name = "scalars"};
  for (std::int64_t r = 0; r < rows; ++r) {
    for (int i = 0; i < per_row; ++i) {
      const auto draw = static_cast<std::uint64_t>(r * per_row + i);
      spec.col.push_back(static_cast<std::int32_t>(random.below(2 * draw, static_cast<std::uint32_t>(cols))));
      if (slots > 0) spec.tie.push_back(static_cast<std::int32_t>(random.below(2 * draw + 1, static_cast<std::uint32_t>(slots))));
    }
    spec.row_ptr.push_back(static_cast<std::int64_t>(spec.col.size()));
  }
  return make_pattern(std::move(spec));
}

/// A mask with dense, empty and partly filled blocks.
std::vector<std::uint8_t> holes(std::int64_t rows, std::int64_t cols) {
  std::vector<std::uint8_t> mask;
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < cols; ++j) mask.push_back(j < 16 || (j >= 32 && (i * 5 + j * 3) % 7 < 3) ? 1 : 0);
  return mask;
}

std::vector<std::int32_t> first_columns(std::int64_t n) {
  std::vector<std::int32_t> columns(static_cast<std::size_t>(n));
  std::iota(columns.begin(), columns.end(), 0);
  return columns;
}

PatternPtr no_blocks(std::int64_t rows, std::int64_t cols) {
  return from_rows(
      rows, cols, [](std::int64_t) { return std::vector<std::int32_t>{}; }, 8);
}

/// Block rows 0, 2 and 4 and block columns 0 and 3 of a 37 x 29 matrix are empty.
PatternPtr with_gaps() {
  return make_pattern(
      {.rows = 37, .cols = 29, .block = {BlockKind::dense, 8, 6}, .row_ptr = {0, 0, 2, 2, 3, 3}, .col = {4, 1, 2}, .name = "with gaps"});
}

/// Blocks stored twice in a row, tied and not: they add up.
PatternPtr with_duplicates() {
  return make_pattern({.rows = 20,
                       .cols = 15,
                       .block = {BlockKind::dense, 10, 5},
                       .row_ptr = {0, 4, 7},
                       .col = {1, 1, 0, 1, 2, 2, 0},
                       .tie = {0, 1, 2, 0, 1, 1, 2},
                       .slots = 3,
                       .name = "with duplicates"});
}

}  // namespace

const std::vector<PatternCase>& pattern_cases() {
#define WEFT_PATTERN_CASE(name, ...) {#name, __VA_ARGS__},
  static const std::vector<PatternCase> cases = {
#include <weft/tests/cases.inc>
  };
#undef WEFT_PATTERN_CASE
  return cases;
}

}  // namespace weft::oracle
