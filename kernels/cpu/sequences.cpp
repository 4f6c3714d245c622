// Steps of sequences, taken column by column: a copy of whole steps where the lanes of a tile agree, else lane by lane.
#include <weft/kernels/sequences.hpp>

#include <algorithm>
#include <array>

#include <weft/core/error.hpp>
#include <weft/core/parallel.hpp>

namespace weft::kernels {

namespace {

/// Elements under one index of the first axis of `x` in a tile.
std::int64_t step_size(const Tensor& x) {
  const std::int64_t steps = x.rows()[0];
  return steps == 0 ? 0 : x.row_count() / steps * x.columns()->lanes;
}

using Sources = std::array<std::int64_t, Columns::kTileLanes>;

/// One step of a tile: `size` elements from x's steps `from`, one a lane.
template <class T>
void gather(const T* x, const Sources& from, int lanes, std::int64_t size, T* y) {
  if (std::all_of(from.begin(), from.begin() + lanes, [&](std::int64_t step) { return step == from[0]; })) {
    if (from[0] < 0) std::fill_n(y, size, T{0});
    else std::copy_n(x + from[0] * size, size, y);
    return;
  }
  for (int lane = 0; lane < lanes; ++lane) {
    const std::int64_t step = from[static_cast<std::size_t>(lane)];
    for (std::int64_t i = lane; i < size; i += lanes) y[i] = step < 0 ? T{0} : x[step * size + i];
  }
}

}  // namespace

void gather_steps(const Tensor& x, const StepOf& from, const Tensor& y) {
  WEFT_CHECK(x.dtype() == y.dtype() && x.columns()->lanes == y.columns()->lanes);
  const int lanes = y.columns()->lanes;
  const std::int64_t steps = y.rows()[0], size = step_size(y);
  by_float(y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    parallel_for(y.columns()->tiles() * steps, [&](std::int64_t i) {
      const std::int64_t tile = i / steps, step = i % steps;
      Sources sources;
      for (int lane = 0; lane < lanes; ++lane) sources[static_cast<std::size_t>(lane)] = from(tile * lanes + lane, step);
      gather(x.data<T>() + tile * x.tile_stride(), sources, lanes, size, y.data<T>() + tile * y.tile_stride() + step * size);
    });
  });
}

void clear_ended(std::int64_t step, const Tensor& x) {
  const Columns& columns = *x.columns();
  if (columns.lengths.empty()) return;
  by_float(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    parallel_for(columns.tiles(), [&](std::int64_t tile) {
      T* const begin = x.data<T>() + tile * x.tile_stride();
      for (int lane = 0; lane < columns.lanes; ++lane)
        if (columns.length(tile * columns.lanes + lane, step + 1) <= step)
          for (std::int64_t row = 0; row < x.row_count(); ++row) begin[row * columns.lanes + lane] = T{0};
    });
  });
}

}  // namespace weft::kernels
