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

}  // namespace

PatternPtr from_rows(std::int64_t rows, std::int64_t cols, const std::function<std::vector<std::int32_t>(std::int64_t)>& row, int block) {
  if (rows < 0 || cols < 0 || block < 1)
    throw ShapeError(
        {.op = "from_rows", .what = cat(rows, " x ", cols, " in blocks of ", block), .hint = "sizes are at least 0, a block at least 1"});
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
