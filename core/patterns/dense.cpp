#include <algorithm>
#include <string>
#include <vector>

#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/patterns/builder.hpp>
#include <weft/core/text.hpp>

namespace weft::patterns {

namespace {

void require_block(const char* op, int block) {
  if (block < 1) throw ShapeError({.op = op, .what = cat("block ", block, " is no block size"), .hint = "give 1 or more"});
}

PatternPtr band(const char* op, std::int64_t n, int below, int above, int block, std::string name) {
  require_block(op, block);
  if (n < 0 || below < 0 || above < 0)
    throw ShapeError({.op = op, .what = cat("n = ", n, " with ", below, " diagonals below and ", above, " above: all must be >= 0")});
  PatternSpec spec{.rows = n, .cols = n, .block = {BlockKind::dense, block, block}, .row_ptr = {0}, .name = std::move(name)};
  const std::int64_t grid = (n + block - 1) / block;
  for (std::int64_t r = 0; r < grid; ++r) {
    const std::int64_t last = std::min(grid - 1, r + above);
    for (std::int64_t c = std::max<std::int64_t>(0, r - below); c <= last; ++c) spec.col.push_back(static_cast<std::int32_t>(c));
    spec.row_ptr.push_back(static_cast<std::int64_t>(spec.col.size()));
  }
  return make_pattern(std::move(spec));
}

/// The block side for one side of a dense matrix: the divisor nearest to 32, so that I ⊗ S has whole blocks too; the whole
/// side where it has no divisor between 8 and 64.
int side_of(std::int64_t extent) {
  for (int step = 0; step <= 32; ++step)
    for (const int side : {32 - step, 32 + step})
      if (side >= 8 && extent % side == 0) return side;
  return static_cast<int>(extent);
}

}  // namespace

PatternPtr dense(std::int64_t rows, std::int64_t cols, int block) {
  require_block("dense", block);
  PatternSpec spec{.rows = rows, .cols = cols, .block = {BlockKind::dense, fitted(rows, block), fitted(cols, block)}};
  spec.name = cat("dense ", cols, " -> ", rows);
  if (rows < 0 || cols < 0) return make_pattern(std::move(spec));  // refused there
  const std::int64_t grid_rows = (rows + spec.block.height - 1) / spec.block.height;
  const std::int64_t grid_cols = (cols + spec.block.width - 1) / spec.block.width;
  if (checked_product(grid_rows, grid_cols) >= INT32_MAX)
    throw ShapeError({.op = "dense",
                      .what = cat(grid_rows, " x ", grid_cols, " blocks are more than 32-bit indices hold"),
                      .hint = "choose larger blocks"});
  for (std::int64_t r = 0; r <= grid_rows; ++r) spec.row_ptr.push_back(r * grid_cols);
  spec.col.reserve(static_cast<std::size_t>(grid_rows * grid_cols));
  for (std::int64_t r = 0; r < grid_rows; ++r)
    for (std::int64_t c = 0; c < grid_cols; ++c) spec.col.push_back(static_cast<std::int32_t>(c));
  return make_pattern(std::move(spec));
}

PatternPtr dense_whole(std::int64_t rows, std::int64_t cols) {
  const PatternPtr square = dense(rows, cols);
  const int height = side_of(rows), width = side_of(cols);
  if (square->block() == ValueLayout{BlockKind::dense, height, width}) return square;
  PatternSpec spec{.rows = rows, .cols = cols, .block = {BlockKind::dense, height, width}, .row_ptr = {0}, .name = square->name()};
  for (std::int64_t r = 0; r < rows / height; ++r) {
    for (std::int64_t c = 0; c < cols / width; ++c) spec.col.push_back(static_cast<std::int32_t>(c));
    spec.row_ptr.push_back(static_cast<std::int64_t>(spec.col.size()));
  }
  return make_pattern(std::move(spec));
}

PatternPtr block_diagonal(std::int64_t count, int height, int width) {
  PatternSpec spec{.rows = checked_product(count, height),
                   .cols = checked_product(count, width),
                   .block = {BlockKind::dense, height, width},
                   .row_ptr = {0}};
  spec.name = cat("block_diagonal ", count, " of ", height, "x", width);
  for (std::int64_t i = 0; i < count; ++i) {
    spec.col.push_back(static_cast<std::int32_t>(i));
    spec.row_ptr.push_back(i + 1);
  }
  return make_pattern(std::move(spec));
}

PatternPtr banded(std::int64_t n, int below, int above, int block) {
  return band("banded", n, below, above, block, cat("banded ", n, ", -", below, "..+", above, ", block ", block));
}

PatternPtr lower_bidiagonal(std::int64_t n, int block) {
  return band("lower_bidiagonal", n, 1, 0, block, cat("lower_bidiagonal ", n, ", block ", block));
}

PatternPtr permutation(const std::vector<std::int32_t>& source, int block) {
  require_block("permutation", block);
  const auto n = static_cast<std::int64_t>(source.size());
  std::vector<bool> used(source.size());
  PatternSpec spec{.rows = n * block, .cols = n * block, .block = {BlockKind::identity, block, block}, .row_ptr = {0}};
  for (const std::int32_t from : source) {
    if (from < 0 || from >= n || used[static_cast<std::size_t>(from)])
      throw ShapeError({.op = "permutation", .what = cat("source ", from, " is outside [0, ", n, ") or given twice")});
    used[static_cast<std::size_t>(from)] = true;
    spec.col.push_back(from);
    spec.row_ptr.push_back(static_cast<std::int64_t>(spec.col.size()));
  }
  spec.tie.assign(source.size(), 0);
  spec.slots = 1;
  spec.name = cat("permutation of ", n, ", block ", block);
  return make_pattern(std::move(spec));
}

}  // namespace weft::patterns
