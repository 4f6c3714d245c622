// The three products on scalar entries (1 x 1 blocks: CSR), 16-lane tiles, values [slot].
// Forward and transposed are one kernel on the row view and on the column view: two rows times two tiles in registers.
// Unstructured rows read X at two flops per four bytes, so bandwidth is the roof: L2's, or L1's where rows are long enough to be cut at
// every 256 columns (ColumnPanels). X is not prefetched (it costs).

#include <algorithm>
#include <cstdint>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <weft/kernels/cpu/csr.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <weft/kernels/cpu/lane_products-inl.hpp>
#include <weft/kernels/cpu/lane_sums.hpp>
#include <weft/kernels/cpu/register_tile-inl.hpp>
#include <weft/kernels/kernel_table.hpp>
#include <weft/kernels/plan.hpp>

HWY_BEFORE_NAMESPACE();
namespace weft::kernels::HWY_NAMESPACE {

/// One view of the entries: row r of the result takes entries ptr[r·panels] to ptr[(r + 1)·panels], cut as ColumnPanels says.
/// No slots: entry e owns value e.
template <class T>
struct ScalarView {
  const std::int64_t* ptr;
  std::int64_t panels;
  const std::int32_t* index;
  const std::int32_t* slot;
  const T* values;
  const T* bias;
  std::int64_t bias_length;
  bool adds;  ///< to what the result holds
};

/// Tiles and rows in flight: four chains a vector wide cover the latency of a multiply-add; more tiles would not stay in L1.
template <class T>
constexpr int kScalarTiles = kVectors<T> == 1 ? 2 : 1;
constexpr int kScalarRows = 2;

/// MR rows times NT tiles of panel `p` from row r on. The rows go in step as far as the shortest, then each to its own end.
template <class T, int MR, int NT>
HWY_INLINE void ScalarTile(const ScalarView<T>& view, std::int64_t p, const T* x, std::int64_t x_tile, T* y, std::int64_t y_tile,
                           std::int64_t r) {
  const TileTag<T> d;
  using V = hn::Vec<TileTag<T>>;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(d)), kV = kVectors<T>, kNV = NT * kV;
  V acc[MR * kNV];
  std::int64_t at[MR], end[MR], shared = INT64_MAX;
  WEFT_UNROLL for (int m = 0; m < MR; ++m) {
    at[m] = view.ptr[(r + m) * view.panels + p];
    end[m] = view.ptr[(r + m) * view.panels + p + 1];
    shared = std::min(shared, end[m] - at[m]);
    const V first = view.bias == nullptr ? hn::Zero(d) : hn::Set(d, view.bias[(r + m) % view.bias_length]);
    WEFT_UNROLL for (int v = 0; v < kNV; ++v) acc[m * kNV + v] =
        p == 0 && !view.adds ? first : hn::LoadU(d, y + (r + m) * 16 + v / kV * y_tile + v % kV * kLanes);
  }
  const auto add = [&](int m, std::int64_t e) HWY_ATTR {
    const V value = hn::Set(d, view.values[view.slot == nullptr ? e : view.slot[e]]);
    const T* HWY_RESTRICT b = x + std::int64_t{view.index[e]} * 16;
    WEFT_UNROLL for (int v = 0; v < kNV; ++v) acc[m * kNV + v] =
        hn::MulAdd(value, hn::LoadU(d, b + v / kV * x_tile + v % kV * kLanes), acc[m * kNV + v]);
  };
  WEFT_NO_UNROLL for (std::int64_t i = 0; i < shared; ++i) { WEFT_UNROLL for (int m = 0; m < MR; ++m) add(m, at[m] + i); }
  WEFT_UNROLL for (int m = 0; m < MR; ++m) {
    WEFT_NO_UNROLL for (std::int64_t e = at[m] + shared; e < end[m]; ++e) add(m, e);
    WEFT_UNROLL for (int v = 0; v < kNV; ++v) hn::StoreU(acc[m * kNV + v], d, y + (r + m) * 16 + v / kV * y_tile + v % kV * kLanes);
  }
}

template <class T, int NT>
HWY_NOINLINE void ScalarRows(const ScalarView<T>& view, const T* x, std::int64_t x_tile, T* y, std::int64_t y_tile, std::int64_t begin,
                             std::int64_t end) {
  for (std::int64_t p = 0; p < view.panels; ++p) {
    std::int64_t r = begin;
    for (; end - r >= kScalarRows; r += kScalarRows) ScalarTile<T, kScalarRows, NT>(view, p, x, x_tile, y, y_tile, r);
    for (; r < end; ++r) ScalarTile<T, 1, NT>(view, p, x, x_tile, y, y_tile, r);
  }
}

template <class T>
void ScalarProduct(const ScalarView<T>& view, std::int64_t rows, const Tensor& x, const Tensor& y) {
  const std::int64_t tiles = x.columns()->tiles(), x_tile = x.tile_stride(), y_tile = y.tile_stride();
  if (rows == 0 || tiles == 0) return;
  std::vector<std::int64_t> cost(static_cast<std::size_t>(rows) + 1);
  for (std::int64_t r = 0; r <= rows; ++r) cost[static_cast<std::size_t>(r)] = view.ptr[r * view.panels];
  const std::int64_t parts = std::min<std::int64_t>(rows, threads());
  const std::vector<std::int64_t> bounds = balanced_ranges(cost, parts);
  parallel_for(parts, [&](std::int64_t part) {
    const auto p = static_cast<std::size_t>(part);
    for (std::int64_t t = 0; t < tiles;) {
      const T* from = x.data<T>() + t * x_tile;
      T* to = y.data<T>() + t * y_tile;
      if (tiles - t >= kScalarTiles<T>) {
        ScalarRows<T, kScalarTiles<T>>(view, from, x_tile, to, y_tile, bounds[p], bounds[p + 1]);
        t += kScalarTiles<T>;
      } else {
        ScalarRows<T, 1>(view, from, x_tile, to, y_tile, bounds[p], bounds[p + 1]);
        ++t;
      }
    }
  });
}

template <class T>
void CsrForward(const SpmmCall& call) {
  const auto& spec = call.s.spec();
  const auto& plan = call.s.plan<ColumnPanels>(ColumnPanels::make);
  const T* bias = call.bias.defined() ? call.bias.data<T>() : nullptr;
  ScalarProduct<T>({plan.ptr.data(), plan.panels, spec.col.data(), spec.tie.empty() ? nullptr : spec.tie.data(), call.values.data<T>(),
                    bias, bias == nullptr ? 1 : call.bias.row_count(), call.adds},
                   call.s.rows(), call.x, call.y);
}

template <class T>
void CsrTransposed(const SpmmTCall& call) {
  const auto& view = call.s.by_column();
  ScalarProduct<T>({view.ptr.data(), 1, view.row.data(), view.slot.data(), call.values.data<T>(), nullptr, 1, call.adds}, call.s.cols(),
                   call.dy, call.dx);
}

/// dvalues[slot] = Σ over its entries and all lanes of dy·x.
template <class T>
void CsrSddmm(const SddmmCall& call) {
  const auto& view = call.s.by_slot();
  const RowPairs<T> all = row_pairs<T>(call);
  T* const out = call.dvalues.data<T>();
  parallel_for(call.s.slots(), [&](std::int64_t slot) {
    auto e = static_cast<std::size_t>(view.ptr[static_cast<std::size_t>(slot)]);
    const auto end = static_cast<std::size_t>(view.ptr[static_cast<std::size_t>(slot) + 1]);
    out[slot] = LaneProducts(all, [&](std::int64_t& dy_row, std::int64_t& x_row) {
      if (e == end) return false;
      dy_row = view.row[e];
      x_row = view.col[e];
      ++e;
      return true;
    });
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
