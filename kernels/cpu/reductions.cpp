// y[n] = Σ_r x[r][n] and the like. x lies [tile][row][lane]: a tile is reduced row by row, its lanes side by side.
// Sums over columns keep 16 lane sums in parts fixed by the number of columns (lines.hpp). Bound by memory.
#include <weft/kernels/reductions.hpp>

#include <weft/core/error.hpp>
#include <weft/kernels/cpu/lines.hpp>

namespace weft::kernels {

namespace {

std::int64_t tiles_of(const Tensor& x) { return x.is_tiled() ? x.columns()->tiles() : 1; }
int lanes_of(const Tensor& x) { return x.is_tiled() ? x.columns()->lanes : 1; }

/// Calls f(tile, zero of the dtype, lanes as a constant) for each tile.
template <class F>
void for_tiles(const Tensor& x, F&& f) {
  by_float(x.dtype(), [&](auto zero) {
    by_lanes(lanes_of(x), [&](auto lanes) { parallel_for(tiles_of(x), [&](std::int64_t tile) { f(tile, zero, lanes); }); });
  });
}

}  // namespace

void sum_rows(const Tensor& x, double scale, const Tensor& y) {
  for_tiles(x, [&](std::int64_t tile, auto zero, auto lanes) {
    using T = decltype(zero);
    constexpr int kLanes = decltype(lanes)::value;
    const T* in = x.data<T>() + tile * x.tile_stride();
    double sum[kLanes] = {};
    for (std::int64_t row = 0; row < x.row_count(); ++row)
      for (int l = 0; l < kLanes; ++l) sum[l] += static_cast<double>(in[row * kLanes + l]);
    for (int l = 0; l < kLanes; ++l) y.data<T>()[tile * y.tile_stride() + l] = static_cast<T>(sum[l] * scale);
  });
}

void spread_rows(const Tensor& dy, double scale, const Tensor& dx) {
  for_tiles(dx, [&](std::int64_t tile, auto zero, auto lanes) {
    using T = decltype(zero);
    constexpr int kLanes = decltype(lanes)::value;
    const T* in = dy.data<T>() + tile * dy.tile_stride();
    T* out = dx.data<T>() + tile * dx.tile_stride();
    T slope[kLanes];
    for (int l = 0; l < kLanes; ++l) slope[l] = static_cast<T>(scale * static_cast<double>(in[l]));
    for (std::int64_t row = 0; row < dx.row_count(); ++row) std::copy_n(slope, kLanes, out + row * kLanes);
  });
}

void extreme_rows(Binary which, const Tensor& x, const Tensor& y, const Tensor& where) {
  if (x.row_count() == 0) throw ShapeError({.op = name_of(which), .what = "a column without rows has no extreme"});
  const bool largest = which == Binary::maximum;
  for_tiles(x, [&](std::int64_t tile, auto zero, auto lanes) {
    using T = decltype(zero);
    constexpr int kLanes = decltype(lanes)::value;
    const T* in = x.data<T>() + tile * x.tile_stride();
    T best[kLanes];
    std::int32_t place[kLanes] = {};
    std::copy_n(in, kLanes, best);
    for (std::int64_t row = 1; row < x.row_count(); ++row)
      for (int l = 0; l < kLanes; ++l) {
        const T value = in[row * kLanes + l];
        const bool better = (largest ? value > best[l] : value < best[l]) || (value != value && best[l] == best[l]);  // NaN wins
        best[l] = better ? value : best[l];
        place[l] = better ? static_cast<std::int32_t>(row) : place[l];
      }
    std::copy_n(best, kLanes, y.data<T>() + tile * y.tile_stride());
    std::copy_n(place, kLanes, where.data<std::int32_t>() + tile * where.tile_stride());
  });
}

void place_rows(const Tensor& where, const Tensor& dy, const Tensor& dx) {
  for_tiles(dx, [&](std::int64_t tile, auto zero, auto lanes) {
    using T = decltype(zero);
    constexpr int kLanes = decltype(lanes)::value;
    const T* in = dy.data<T>() + tile * dy.tile_stride();
    const std::int32_t* place = where.data<std::int32_t>() + tile * where.tile_stride();
    T* out = dx.data<T>() + tile * dx.tile_stride();
    std::fill_n(out, dx.row_count() * kLanes, T{0});
    for (int l = 0; l < kLanes; ++l) out[place[l] * kLanes + l] = in[l];
  });
}

std::vector<double> channel_sums(const Tensor& x) {
  const Lines lines(x);
  std::vector<double> sums;
  by_float(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    sums = sum_lines(lines, 1, [&](std::int64_t line, double* sum) {
      const T* in = lines.of<T>(x, line);
      for (std::int64_t i = 0; i < lines.length * lines.lanes; ++i) sum[i] += static_cast<double>(in[i]);
    });
  });
  return sums;
}

double sum_all(const Tensor& x) {
  const Columns columns = x.is_tiled() ? *x.columns() : Columns{1, 1, 0};
  double total = 0;
  by_float(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    total = sum_columns(columns, [&](std::int64_t block, double* lane) {
      const std::int64_t first = block * Columns::kTileLanes;
      const int valid = static_cast<int>(std::min<std::int64_t>(Columns::kTileLanes, columns.count - first));
      if (columns.lanes == 1) {
        for (int l = 0; l < valid; ++l)
          for (std::int64_t row = 0; row < x.row_count(); ++row)
            lane[l] += static_cast<double>(x.data<T>()[(first + l) * x.tile_stride() + row]);
        return;
      }
      const T* in = x.data<T>() + block * x.tile_stride();
      double sum[Columns::kTileLanes] = {};
      for (std::int64_t row = 0; row < x.row_count(); ++row)
        for (int l = 0; l < Columns::kTileLanes; ++l) sum[l] += static_cast<double>(in[row * Columns::kTileLanes + l]);
      for (int l = 0; l < valid; ++l) lane[l] += sum[l];
    });
  });
  return total;
}

void fill_valid(const Tensor& x, double value) {
  for_tiles(x, [&](std::int64_t tile, auto zero, auto lanes) {
    using T = decltype(zero);
    constexpr int kLanes = decltype(lanes)::value;
    const int valid = x.is_tiled() ? x.columns()->valid_lanes(tile) : 1;
    T* out = x.data<T>() + tile * x.tile_stride();
    for (std::int64_t row = 0; row < x.row_count(); ++row)
      for (int l = 0; l < kLanes; ++l) out[row * kLanes + l] = l < valid ? static_cast<T>(value) : T{0};
  });
}

}  // namespace weft::kernels
