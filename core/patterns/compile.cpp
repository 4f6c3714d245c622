#include <algorithm>
#include <functional>
#include <map>
#include <vector>

#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/patterns/builder.hpp>
#include <weft/core/text.hpp>

namespace weft::patterns {

namespace {

/// True if the mask keeps every entry of the block's first `height` rows and `width` columns.
bool is_full(const Mask& mask, const ValueLayout& block, std::int64_t height, std::int64_t width) {
  for (std::int64_t m = 0; m < height; ++m)
    for (std::int64_t k = 0; k < width; ++k) {
      const auto bit = static_cast<std::size_t>(m * block.width + k);
      if ((mask[bit / 64] >> (bit % 64) & 1) == 0) return false;
    }
  return true;
}

void require_sizes(const char* op, std::int64_t rows, std::int64_t cols, int block) {
  if (rows >= 0 && cols >= 0 && block >= 1) return;
  throw ShapeError({.op = op, .what = cat(rows, " x ", cols, " in blocks of ", block), .hint = "sizes are at least 0, a block at least 1"});
}

Interval checked(Interval interval, std::int64_t row, std::int64_t cols) {
  if (interval.begin >= interval.end || (interval.begin >= 0 && interval.end <= cols)) return interval;
  throw ShapeError({.op = "from_intervals",
                    .what = cat("columns [", interval.begin, ", ", interval.end, ") in row ", row, " reach outside [0, ", cols, ")")});
}

/// Adds the block of columns [first, first + width) unless no row of it holds an entry.
void add_block(RowBuilder& builder, const std::vector<Interval>& rows, const ValueLayout& block, std::int64_t first, std::int64_t width) {
  Mask mask(mask_words(block));
  bool any = false, full = true;
  for (std::size_t m = 0; m < rows.size(); ++m) {
    const std::int64_t begin = std::max(rows[m].begin, first), end = std::min(rows[m].end, first + width);
    any = any || begin < end;
    full = full && begin == first && end == first + width;
    for (std::int64_t c = begin; c < end; ++c) keep(mask, block, static_cast<int>(m), static_cast<int>(c - first));
  }
  if (any) builder.add(first / block.width, full ? Mask{} : mask);
}

}  // namespace

PatternPtr from_rows(std::int64_t rows, std::int64_t cols, const std::function<std::vector<std::int32_t>(std::int64_t)>& row, int block) {
  require_sizes("from_rows", rows, cols, block);
  const ValueLayout layout{BlockKind::dense, fitted(rows, block), fitted(cols, block)};
  RowBuilder builder(rows, cols, layout, cat("from_rows ", cols, " -> ", rows, ", block ", block));
  for (std::int64_t first = 0; first < rows; first += layout.height) {
    const std::int64_t height = std::min<std::int64_t>(layout.height, rows - first);
    std::map<std::int64_t, Mask> masks;
    for (int m = 0; m < height; ++m)
      for (const std::int32_t c : row(first + m)) {
        if (c < 0 || c >= cols)
          throw ShapeError({.op = "from_rows", .what = cat("column ", c, " in row ", first + m, " is outside [0, ", cols, ")")});
        Mask& mask = masks[c / layout.width];
        mask.resize(mask_words(layout));
        keep(mask, layout, m, c % layout.width);
      }
    for (const auto& [c, mask] : masks)
      builder.add(c, is_full(mask, layout, height, std::min<std::int64_t>(layout.width, cols - c * layout.width)) ? Mask{} : mask);
    builder.end_row();
  }
  return make_pattern(builder.finish());
}

PatternPtr from_intervals(std::int64_t rows, std::int64_t cols, const std::function<Interval(std::int64_t)>& row, int block) {
  require_sizes("from_intervals", rows, cols, block);
  const ValueLayout layout{BlockKind::dense, fitted(rows, block), fitted(cols, block)};
  RowBuilder builder(rows, cols, layout, cat("from_intervals ", cols, " -> ", rows, ", block ", block));
  for (std::int64_t first = 0; first < rows; first += layout.height) {
    std::vector<Interval> intervals;
    std::int64_t begin = cols, end = 0;
    for (std::int64_t i = first; i < std::min<std::int64_t>(first + layout.height, rows); ++i) {
      const Interval interval = intervals.emplace_back(checked(row(i), i, cols));
      if (interval.begin >= interval.end) continue;
      begin = std::min(begin, interval.begin);
      end = std::max(end, interval.end);
    }
    for (std::int64_t c = begin / layout.width * layout.width; c < end; c += layout.width)
      add_block(builder, intervals, layout, c, std::min<std::int64_t>(layout.width, cols - c));
    builder.end_row();
  }
  return make_pattern(builder.finish());
}

PatternPtr from_mask(std::int64_t rows, std::int64_t cols, const std::vector<std::uint8_t>& mask, int block) {
  if (rows < 0 || cols < 0 || static_cast<std::int64_t>(mask.size()) != checked_product(rows, cols))
    throw ShapeError({.op = "from_mask", .what = cat(mask.size(), " mask entries given for ", rows, " x ", cols)});
  const auto row = [&](std::int64_t i) {
    std::vector<std::int32_t> kept;
    for (std::int64_t j = 0; j < cols; ++j)
      if (mask[static_cast<std::size_t>(i * cols + j)] != 0) kept.push_back(static_cast<std::int32_t>(j));
    return kept;
  };
  return from_rows(rows, cols, row, block);
}

}  // namespace weft::patterns
