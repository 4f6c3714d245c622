// Σ of rows of dY times rows of X over columns: the weight gradient of one scalar.

#include <cstdint>

#include <hwy/highway.h>

#include <weft/kernels/cpu/register_tile-inl.hpp>
#include <weft/kernels/cpu/sum_of_16.hpp>
#include <weft/kernels/kernel_table.hpp>

#if defined(WEFT_KERNELS_CPU_LANE_PRODUCTS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef WEFT_KERNELS_CPU_LANE_PRODUCTS_INL
#undef WEFT_KERNELS_CPU_LANE_PRODUCTS_INL
#else
#define WEFT_KERNELS_CPU_LANE_PRODUCTS_INL
#endif

HWY_BEFORE_NAMESPACE();
namespace weft::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// dY and X of a product's weight gradient, rows of 16 lanes.
template <class T>
struct RowPairs {
  const T* dy;
  const T* x;
  std::int64_t dy_tile, x_tile, tiles;
};

/// Σ over pairs, tiles and lanes. `next(dy_row, x_row)` gives the pairs, false after the last. 16 lane sums, then one fixed tree.
template <class T, class Next>
HWY_NOINLINE T LaneProducts(const RowPairs<T>& all, Next next) {
  const TileTag<T> d;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(TileTag<T>())), kV = kVectors<T>;
  hn::Vec<TileTag<T>> acc[kV];
  WEFT_UNROLL for (int v = 0; v < kV; ++v) acc[v] = hn::Zero(d);
  std::int64_t dy_row = 0, x_row = 0;
  while (next(dy_row, x_row)) {
    const T* HWY_RESTRICT dy = all.dy + dy_row * 16;
    const T* HWY_RESTRICT x = all.x + x_row * 16;
    WEFT_NO_UNROLL for (std::int64_t t = 0; t < all.tiles; ++t) {
      WEFT_UNROLL for (int v = 0; v < kV; ++v) acc[v] = hn::MulAdd(hn::LoadU(d, dy + v * kLanes), hn::LoadU(d, x + v * kLanes), acc[v]);
      dy += all.dy_tile;
      x += all.x_tile;
    }
  }
  T sums[16];
  WEFT_UNROLL for (int v = 0; v < kV; ++v) hn::StoreU(acc[v], d, sums + v * kLanes);
  return sum_of_16(sums);
}

template <class T>
RowPairs<T> row_pairs(const SddmmCall& call) {
  return {call.dy.data<T>(), call.x.data<T>(), call.dy.tile_stride(), call.x.tile_stride(), call.x.columns()->tiles()};
}

}  // namespace weft::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
