#include <algorithm>
#include <vector>

#include <weft/core/error.hpp>
#include <weft/core/sparse_pattern.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

/// A stored block at its place: its slot, its first row and column, and its size there.
struct Placed {
  std::int32_t slot;
  std::int64_t row, col;
  int height, width;
};

template <class F>
void for_each_block(const SparsePattern& s, F&& f) {
  for (std::int64_t r = 0; r < s.grid_rows(); ++r)
    for (std::int64_t e = s.row_ptr()[static_cast<std::size_t>(r)]; e < s.row_ptr()[static_cast<std::size_t>(r) + 1]; ++e) {
      const std::int64_t c = s.col()[static_cast<std::size_t>(e)];
      f(Placed{s.slot(e), r * s.block().height, c * s.block().width, s.height_of(r), s.width_of(c)});
    }
}

/// Counts the stored scalars of each cell x cell square, `across` squares to a line.
std::vector<std::int64_t> count_cells(const SparsePattern& s, std::int64_t cell, std::int64_t down, std::int64_t across) {
  std::vector<std::int64_t> count(static_cast<std::size_t>(down * across));
  const bool full = s.block().kind == BlockKind::dense && !s.masked();
  for_each_block(s, [&](const Placed& b) {
    if (!full) {
      for (int m = 0; m < b.height; ++m)
        for (int k = 0; k < b.width; ++k)
          if (s.kept(b.slot, m, k)) ++count[static_cast<std::size_t>((b.row + m) / cell * across + (b.col + k) / cell)];
      return;
    }
    for (std::int64_t y = b.row / cell; y * cell < b.row + b.height; ++y)
      for (std::int64_t x = b.col / cell; x * cell < b.col + b.width; ++x)
        count[static_cast<std::size_t>(y * across + x)] += (std::min((y + 1) * cell, b.row + b.height) - std::max(y * cell, b.row)) *
                                                           (std::min((x + 1) * cell, b.col + b.width) - std::max(x * cell, b.col));
  });
  return count;
}

}  // namespace

std::vector<double> to_dense(const SparsePattern& pattern, std::span<const double> values) {
  if (static_cast<std::int64_t>(values.size()) != pattern.values_size())
    throw ShapeError(
        {.op = "to_dense", .path = pattern.name(), .what = cat(values.size(), " values given, the pattern has ", pattern.values_size())});
  std::vector<double> matrix(static_cast<std::size_t>(pattern.rows() * pattern.cols()));
  for_each_block(pattern, [&](const Placed& b) {
    for (int m = 0; m < b.height; ++m)
      for (int k = 0; k < b.width; ++k)
        if (pattern.kept(b.slot, m, k))
          matrix[static_cast<std::size_t>((b.row + m) * pattern.cols() + b.col + k)] +=
              values[static_cast<std::size_t>(b.slot * pattern.block().slot_size() + pattern.block().offset(m, k))];
  });
  return matrix;
}

std::string spy(const SparsePattern& pattern, int width) {
  constexpr std::string_view kInk = " .:+#";
  if (width < 1) throw ShapeError({.op = "spy", .path = pattern.name(), .what = cat("width ", width, " leaves no picture")});
  const std::int64_t longer = std::max(pattern.rows(), pattern.cols());
  const std::int64_t cell = std::max<std::int64_t>(1, (longer + width - 1) / width);
  const std::int64_t down = (pattern.rows() + cell - 1) / cell, across = (pattern.cols() + cell - 1) / cell;
  const std::vector<std::int64_t> count = count_cells(pattern, cell, down, across);
  std::string picture;
  for (std::int64_t y = 0; y < down; ++y) {
    for (std::int64_t x = 0; x < across; ++x) {
      const std::int64_t area = std::min(cell, pattern.rows() - y * cell) * std::min(cell, pattern.cols() - x * cell);
      const std::int64_t ink = (4 * count[static_cast<std::size_t>(y * across + x)] + area - 1) / area;  // quarters, rounded up
      picture += kInk[static_cast<std::size_t>(std::min<std::int64_t>(ink, 4))];
    }
    picture += '\n';
  }
  return picture;
}

}  // namespace weft
