#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include <weft/core/parallel.hpp>
#include <weft/core/tensor.hpp>
#include <weft/kernels/counted_rows.hpp>
#include <weft/kernels/maps.hpp>

namespace weft::kernels {

/// A tensor read as lines along its last row axis: line u = (tile, leading row) is `length` rows of `lanes` elements, contiguous.
struct Lines {
  std::int64_t lead = 1, length = 1, count = 0;
  int lanes = 1;

  explicit Lines(const Tensor& x) {
    const Columns columns = columns_of(x);
    length = x.rows().rank() == 0 ? 1 : x.rows().back();
    lead = length == 0 ? 0 : x.row_count() / length;
    lanes = columns.lanes;
    count = columns.tiles() * lead;
  }
  template <class T>
  T* of(const Tensor& t, std::int64_t line) const {
    return t.data<T>() + line / lead * t.tile_stride() + line % lead * length * lanes;
  }
  /// The line's element in a tensor with one row for each leading row.
  template <class T>
  T* head_of(const Tensor& t, std::int64_t line) const {
    return t.data<T>() + line / lead * t.tile_stride() + line % lead * lanes;
  }
  std::int64_t tile_of(std::int64_t line) const { return line / lead; }
};

/// Calls f with the lanes of a tile as a constant, so that loops over them unroll.
template <class F>
void by_lanes(int lanes, F&& f) {
  if (lanes == 1) f(std::integral_constant<int, 1>{});
  else f(std::integral_constant<int, Columns::kTileLanes>{});
}

/// 16 numbers added by one fixed tree.
inline double add_lanes(const double* lane) {
  double sum[8];
  for (int i = 0; i < 8; ++i) sum[i] = lane[i] + lane[i + 8];
  for (int width = 4; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) sum[i] += sum[i + width];
  return sum[0];
}

/// Calls f(tile, lanes counted from the block's first column, valid lanes of the tile) for the tiles of a block of 16 columns.
template <class F>
void for_tiles_of_block(const Columns& columns, std::int64_t block, F&& f) {
  if (columns.lanes != 1) return f(block, 0, columns.valid_lanes(block));
  const std::int64_t first = block * Columns::kTileLanes;
  for (std::int64_t tile = first; tile < std::min(first + Columns::kTileLanes, columns.count); ++tile)
    f(tile, static_cast<int>(tile - first), 1);
}

/// The sum over columns of what `add(block, lanes)` adds for the columns [16·block, 16·block + 16) that are valid: 16 lane sums,
/// in at most 16 parts that the number of columns alone fixes, parts in order.
template <class F>
double sum_columns(const Columns& columns, F&& add) {
  constexpr std::int64_t kBlock = Columns::kTileLanes, kParts = 16;
  const std::int64_t blocks = (columns.count + kBlock - 1) / kBlock;
  const std::int64_t parts = std::min(kParts, blocks);
  double part[kParts] = {};
  parallel_for(parts, [&](std::int64_t p) {
    double lane[kBlock] = {};
    for (std::int64_t block = p * blocks / parts; block < (p + 1) * blocks / parts; ++block) add(block, lane);
    part[p] = add_lanes(lane);
  });
  double sum = 0;
  for (std::int64_t p = 0; p < parts; ++p) sum += part[p];
  return sum;
}

/// Sums over lines for each of `channels` places (times `kinds` different sums): `add(first, last, sums)` adds these lines into
/// sums[(kind·channels + c)·lanes + lane]. At most 16 parts, fixed by the shape; parts in order, lanes by the tree.
template <class F>
std::vector<double> sum_line_ranges(const Lines& lines, int kinds, F&& add) {
  constexpr std::int64_t kParts = 16;
  const std::int64_t parts = std::min(kParts, lines.count);
  const std::int64_t places = kinds * lines.length;
  std::vector<double> sums(static_cast<std::size_t>(parts * places * lines.lanes));
  parallel_for(
      parts, [&](std::int64_t p) { add(p * lines.count / parts, (p + 1) * lines.count / parts, sums.data() + p * places * lines.lanes); });
  std::vector<double> total(static_cast<std::size_t>(places));
  for (std::int64_t p = 0; p < parts; ++p)
    for (std::int64_t i = 0; i < places; ++i) {
      const double* lane = sums.data() + (p * places + i) * lines.lanes;
      total[static_cast<std::size_t>(i)] += lines.lanes == 1 ? *lane : add_lanes(lane);
    }
  return total;
}

/// The same, line by line: `add(line, sums)`.
template <class F>
std::vector<double> sum_lines(const Lines& lines, int kinds, F&& add) {
  return sum_line_ranges(lines, kinds, [&](std::int64_t first, std::int64_t last, double* sums) {
    for (std::int64_t line = first; line < last; ++line) add(line, sums);
  });
}

/// The largest of each lane along a line.
template <class T, int kLanes>
void line_top(const T* x, std::int64_t length, T* top) {
  std::copy_n(x, kLanes, top);
  for (std::int64_t c = 1; c < length; ++c)
    for (int l = 0; l < kLanes; ++l) top[l] = top[l] < x[c * kLanes + l] ? x[c * kLanes + l] : top[l];
}

/// sum[l] = Σ exp(x - top) along a line, in double; the terms go to `terms` unless it is null.
template <class T, int kLanes>
void line_exp_sum(const T* x, std::int64_t length, const T* top, double* sum, T* terms) {
  constexpr std::int64_t kRows = 512 / kLanes;
  T buffer[kRows * kLanes];
  std::fill_n(sum, kLanes, 0.0);
  for (std::int64_t first = 0; first < length; first += kRows) {
    const std::int64_t rows = std::min(kRows, length - first);
    T* const out = terms != nullptr ? terms + first * kLanes : buffer;
    for (std::int64_t c = 0; c < rows; ++c)
      for (int l = 0; l < kLanes; ++l) out[c * kLanes + l] = x[(first + c) * kLanes + l] - top[l];
    map_run({Map::exp}, out, out, rows * kLanes);
    for (std::int64_t c = 0; c < rows; ++c)
      for (int l = 0; l < kLanes; ++l) sum[l] += static_cast<double>(out[c * kLanes + l]);
  }
}

}  // namespace weft::kernels
