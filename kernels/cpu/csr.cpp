// The three products on scalar entries (1 x 1 blocks: CSR), 16-lane tiles, values [slot].
// Forward and transposed are one kernel on the row view and on the column view: one row at a time, up to four tiles in registers.
// Unstructured rows read X from L2 at two flops per four bytes, so the L2 bandwidth is the roof; X is not prefetched (it costs).

#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <weft/kernels/cpu/csr.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <weft/kernels/cpu/lane_sums.hpp>
#include <weft/kernels/cpu/register_tile-inl.hpp>
#include <weft/kernels/kernel_table.hpp>

HWY_BEFORE_NAMESPACE();
namespace weft::kernels::HWY_NAMESPACE {

/// One view of the entries: row i of the result takes entries ptr[i] … ptr[i+1]. No slots: entry e owns value e.
template <class T>
struct ScalarView {
  const std::int64_t* ptr;
  const std::int32_t* index;
  const std::int32_t* slot;
  const T* values;
  const T* bias;
  std::int64_t bias_length;
};

template <class T, int NT>
HWY_NOINLINE void ScalarRows(const ScalarView<T>& view, const T* x, std::int64_t x_tile, T* y, std::int64_t y_tile, std::int64_t begin,
                             std::int64_t end) {
  const TileTag<T> d;
  using V = hn::Vec<TileTag<T>>;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(d)), kV = kVectors<T>, kNV = NT * kV;
  for (std::int64_t r = begin; r < end; ++r) {
    V acc[kNV];
    const V first = view.bias == nullptr ? hn::Zero(d) : hn::Set(d, view.bias[r % view.bias_length]);
    WEFT_UNROLL for (int v = 0; v < kNV; ++v) acc[v] = first;
    for (std::int64_t e = view.ptr[r]; e < view.ptr[r + 1]; ++e) {
      const V value = hn::Set(d, view.values[view.slot == nullptr ? e : view.slot[e]]);
      const T* HWY_RESTRICT b = x + std::int64_t{view.index[e]} * 16;
      WEFT_UNROLL for (int v = 0; v < kNV; ++v) acc[v] = hn::MulAdd(value, hn::LoadU(d, b + v / kV * x_tile + v % kV * kLanes), acc[v]);
    }
    WEFT_UNROLL for (int v = 0; v < kNV; ++v) hn::StoreU(acc[v], d, y + r * 16 + v / kV * y_tile + v % kV * kLanes);
  }
}

template <class T>
void ScalarProduct(const ScalarView<T>& view, std::int64_t rows, const Tensor& x, const Tensor& y) {
  constexpr int kMost = kVectors<T> == 1 ? 4 : 1;
  const std::int64_t tiles = x.columns()->tiles(), x_tile = x.tile_stride(), y_tile = y.tile_stride();
  if (rows == 0 || tiles == 0) return;
  const std::vector<std::int64_t> cost(view.ptr, view.ptr + rows + 1);
  const std::int64_t parts = std::min<std::int64_t>(rows, threads());
  const std::vector<std::int64_t> bounds = balanced_ranges(cost, parts);
  parallel_for(parts, [&](std::int64_t part) {
    const auto p = static_cast<std::size_t>(part);
    for (std::int64_t t = 0; t < tiles;) {
      const T* from = x.data<T>() + t * x_tile;
      T* to = y.data<T>() + t * y_tile;
      const std::int64_t left = tiles - t;
      if constexpr (kMost == 4) {
        if (left >= 4) {
          ScalarRows<T, 4>(view, from, x_tile, to, y_tile, bounds[p], bounds[p + 1]);
          t += 4;
          continue;
        }
        if (left >= 2) {
          ScalarRows<T, 2>(view, from, x_tile, to, y_tile, bounds[p], bounds[p + 1]);
          t += 2;
          continue;
        }
      }
      ScalarRows<T, 1>(view, from, x_tile, to, y_tile, bounds[p], bounds[p + 1]);
      ++t;
    }
  });
}

template <class T>
void CsrForward(const SpmmCall& call) {
  const auto& spec = call.s.spec();
  const T* bias = call.bias.defined() ? call.bias.data<T>() : nullptr;
  ScalarProduct<T>({spec.row_ptr.data(), spec.col.data(), spec.tie.empty() ? nullptr : spec.tie.data(), call.values.data<T>(), bias,
                    bias == nullptr ? 1 : call.bias.row_count()},
                   call.s.rows(), call.x, call.y);
}

template <class T>
void CsrTransposed(const SpmmTCall& call) {
  const auto& view = call.s.by_column();
  ScalarProduct<T>({view.ptr.data(), view.row.data(), view.slot.data(), call.values.data<T>(), nullptr, 1}, call.s.cols(), call.dy,
                   call.dx);
}

/// dvalues[slot] = Σ over its entries and all lanes of dy·x: 16 lane sums over entries and tiles, then one fixed tree.
template <class T>
void CsrSddmm(const SddmmCall& call) {
  const auto& view = call.s.by_slot();
  const TileTag<T> d;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(TileTag<T>())), kV = kVectors<T>;
  const std::int64_t tiles = call.x.columns()->tiles();
  parallel_for(call.s.slots(), [&](std::int64_t slot) {
    hn::Vec<TileTag<T>> acc[kV];
    for (int v = 0; v < kV; ++v) acc[v] = hn::Zero(d);
    for (std::int64_t e = view.ptr[static_cast<std::size_t>(slot)]; e < view.ptr[static_cast<std::size_t>(slot) + 1]; ++e)
      for (std::int64_t t = 0; t < tiles; ++t) {
        const T* dy = call.dy.data<T>() + t * call.dy.tile_stride() + std::int64_t{view.row[static_cast<std::size_t>(e)]} * 16;
        const T* x = call.x.data<T>() + t * call.x.tile_stride() + std::int64_t{view.col[static_cast<std::size_t>(e)]} * 16;
        for (int v = 0; v < kV; ++v) acc[v] = hn::MulAdd(hn::LoadU(d, dy + v * kLanes), hn::LoadU(d, x + v * kLanes), acc[v]);
      }
    T sums[16];
    for (int v = 0; v < kV; ++v) hn::StoreU(acc[v], d, sums + v * kLanes);
    call.dvalues.data<T>()[slot] = sum_of_16(sums);
  });
  if (call.dbias.defined()) bias_gradient<T>(call);
}

void CsrSpmmF32(const SpmmCall& call) { CsrForward<float>(call); }
void CsrSpmmF64(const SpmmCall& call) { CsrForward<double>(call); }
void CsrSpmmTF32(const SpmmTCall& call) { CsrTransposed<float>(call); }
void CsrSpmmTF64(const SpmmTCall& call) { CsrTransposed<double>(call); }
void CsrSddmmF32(const SddmmCall& call) { CsrSddmm<float>(call); }
void CsrSddmmF64(const SddmmCall& call) { CsrSddmm<double>(call); }

}  // namespace weft::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft::kernels {

HWY_EXPORT(CsrSpmmF32);
HWY_EXPORT(CsrSpmmF64);
HWY_EXPORT(CsrSpmmTF32);
HWY_EXPORT(CsrSpmmTF64);
HWY_EXPORT(CsrSddmmF32);
HWY_EXPORT(CsrSddmmF64);
void csr_tiles_f32(const SpmmCall& call) { HWY_DYNAMIC_DISPATCH(CsrSpmmF32)(call); }
void csr_tiles_f64(const SpmmCall& call) { HWY_DYNAMIC_DISPATCH(CsrSpmmF64)(call); }
void csr_tiles_t_f32(const SpmmTCall& call) { HWY_DYNAMIC_DISPATCH(CsrSpmmTF32)(call); }
void csr_tiles_t_f64(const SpmmTCall& call) { HWY_DYNAMIC_DISPATCH(CsrSpmmTF64)(call); }
void csr_tiles_dw_f32(const SddmmCall& call) { HWY_DYNAMIC_DISPATCH(CsrSddmmF32)(call); }
void csr_tiles_dw_f64(const SddmmCall& call) { HWY_DYNAMIC_DISPATCH(CsrSddmmF64)(call); }

}  // namespace weft::kernels
#endif
