// The three products on diagonal and scaled-identity blocks: depthwise convolution, pooling, shifts, permutations.
// A block row is a span of height·lanes elements; each stored block adds coefficient·(span of X). Values [slot][height] or [slot].
// A diagonal is its own transpose, so forward and transposed are one kernel on two views.

#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <weft/kernels/cpu/diagonal.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <weft/kernels/cpu/lane_products-inl.hpp>
#include <weft/kernels/cpu/lane_sums.hpp>
#include <weft/kernels/cpu/register_tile-inl.hpp>
#include <weft/kernels/kernel_table.hpp>

HWY_BEFORE_NAMESPACE();
namespace weft::kernels::HWY_NAMESPACE {

/// y[i] = fma(coefficient, x[i], y[i]) over n elements.
template <class T>
HWY_INLINE void AxpySpan(T coefficient, const T* x, T* y, std::int64_t n) {
  const TileTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::MulAdd(hn::Set(d, coefficient), hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, y + i);
  const hn::CappedTag<T, 1> one;
  for (; i < n; ++i) hn::StoreU(hn::MulAdd(hn::Set(one, coefficient), hn::LoadU(one, x + i), hn::LoadU(one, y + i)), one, y + i);
}

/// y[i] = fma(c[i], x[i], y[i]): a diagonal block with rows contiguous.
template <class T>
HWY_INLINE void DiagonalSpan(const T* c, const T* x, T* y, std::int64_t n) {
  const TileTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::MulAdd(hn::LoadU(d, c + i), hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, y + i);
  const hn::CappedTag<T, 1> one;
  for (; i < n; ++i) hn::StoreU(hn::MulAdd(hn::LoadU(one, c + i), hn::LoadU(one, x + i), hn::LoadU(one, y + i)), one, y + i);
}

template <class T>
HWY_INLINE void AddBlock(const ValueLayout& block, const T* value, int height, int lanes, const T* x, T* y) {
  if (block.kind == BlockKind::identity) return AxpySpan(*value, x, y, std::int64_t{height} * lanes);
  if (lanes == 1) return DiagonalSpan(value, x, y, height);
  for (int m = 0; m < height; ++m) AxpySpan(value[m], x + m * lanes, y + m * lanes, lanes);
}

/// What follows a row of blocks: entries ptr[r] … ptr[r+1] at block positions `index` with values `slot(e)`.
template <class T, class SlotOf>
void DiagonalProduct(const SparsePattern& s, const std::int64_t* ptr, const std::int32_t* index, SlotOf slot_of, const Tensor& values,
                     const Tensor& bias, std::int64_t grid, std::int64_t rows, const Tensor& x, const Tensor& y, bool adds) {
  const ValueLayout& block = s.block();
  const int lanes = x.columns()->lanes;
  const std::int64_t tiles = x.columns()->tiles(), bias_length = bias.defined() ? bias.row_count() : 1;
  parallel_for(grid, [&](std::int64_t r) {
    const std::int64_t first = r * block.height;
    const int height = static_cast<int>(std::min<std::int64_t>(block.height, rows - first));
    for (std::int64_t t = 0; t < tiles; ++t) {
      T* out = y.data<T>() + t * y.tile_stride() + first * lanes;
      for (int m = 0; m < height && !adds; ++m)
        std::fill_n(out + m * lanes, lanes, bias.defined() ? bias.data<T>()[(first + m) % bias_length] : T{});
      for (std::int64_t e = ptr[r]; e < ptr[r + 1]; ++e) {
        const std::int64_t other = std::int64_t{index[e]} * block.height;
        const int shared = static_cast<int>(std::min<std::int64_t>(height, x.row_count() - other));  // ragged edges
        AddBlock(block, values.data<T>() + slot_of(e) * block.slot_size(), shared, lanes, x.data<T>() + t * x.tile_stride() + other * lanes,
                 out);
      }
    }
  });
}

template <class T>
void DiagonalForward(const SpmmCall& call) {
  const auto& spec = call.s.spec();
  DiagonalProduct<T>(
      call.s, spec.row_ptr.data(), spec.col.data(), [&](std::int64_t e) { return call.s.slot(e); }, call.values, call.bias,
      call.s.grid_rows(), call.s.rows(), call.x, call.y, call.adds);
}

template <class T>
void DiagonalTransposed(const SpmmTCall& call) {
  const auto& view = call.s.by_column();
  DiagonalProduct<T>(
      call.s, view.ptr.data(), view.row.data(), [&](std::int64_t e) { return view.slot[static_cast<std::size_t>(e)]; }, call.values,
      Tensor(), call.s.grid_cols(), call.s.cols(), call.dy, call.dx, call.adds);
}

template <class T>
void DiagonalSddmm(const SddmmCall& call) {
  const SparsePattern& s = call.s;
  const ValueLayout& block = s.block();
  const auto& view = s.by_slot();
  const RowPairs<T> all = row_pairs<T>(call);
  T* const out = call.dvalues.data<T>();
  const std::int64_t rows = s.rows(), cols = s.cols();
  parallel_for(s.slots(), [&](std::int64_t slot) {
    T total = 0;
    const auto end = static_cast<std::size_t>(view.ptr[static_cast<std::size_t>(slot) + 1]);
    for (int m = 0; m < block.height; ++m) {
      auto e = static_cast<std::size_t>(view.ptr[static_cast<std::size_t>(slot)]);
      const T sum = LaneProducts(all, [&](std::int64_t& dy_row, std::int64_t& x_row) {
        for (; e != end; ++e) {  // a ragged edge ends some blocks early
          dy_row = std::int64_t{view.row[e]} * block.height + m;
          x_row = std::int64_t{view.col[e]} * block.width + m;
          if (dy_row < rows && x_row < cols) return ++e, true;
        }
        return false;
      });
      total += sum;
      if (block.kind == BlockKind::diagonal) out[slot * block.height + m] = sum;
    }
    if (block.kind == BlockKind::identity) out[slot] = total;
  });
  if (call.dbias.defined()) bias_gradient<T>(call);
}

void DiagonalSpmmF32(const SpmmCall& call) { DiagonalForward<float>(call); }
void DiagonalSpmmF64(const SpmmCall& call) { DiagonalForward<double>(call); }
void DiagonalSpmmTF32(const SpmmTCall& call) { DiagonalTransposed<float>(call); }
void DiagonalSpmmTF64(const SpmmTCall& call) { DiagonalTransposed<double>(call); }
void DiagonalSddmmF32(const SddmmCall& call) { DiagonalSddmm<float>(call); }
void DiagonalSddmmF64(const SddmmCall& call) { DiagonalSddmm<double>(call); }

}  // namespace weft::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft::kernels {

HWY_EXPORT(DiagonalSpmmF32);
HWY_EXPORT(DiagonalSpmmF64);
HWY_EXPORT(DiagonalSpmmTF32);
HWY_EXPORT(DiagonalSpmmTF64);
HWY_EXPORT(DiagonalSddmmF32);
HWY_EXPORT(DiagonalSddmmF64);
void diagonal_rows_f32(const SpmmCall& call) { HWY_DYNAMIC_DISPATCH(DiagonalSpmmF32)(call); }
void diagonal_rows_f64(const SpmmCall& call) { HWY_DYNAMIC_DISPATCH(DiagonalSpmmF64)(call); }
void diagonal_rows_t_f32(const SpmmTCall& call) { HWY_DYNAMIC_DISPATCH(DiagonalSpmmTF32)(call); }
void diagonal_rows_t_f64(const SpmmTCall& call) { HWY_DYNAMIC_DISPATCH(DiagonalSpmmTF64)(call); }
void diagonal_rows_dw_f32(const SddmmCall& call) { HWY_DYNAMIC_DISPATCH(DiagonalSddmmF32)(call); }
void diagonal_rows_dw_f64(const SddmmCall& call) { HWY_DYNAMIC_DISPATCH(DiagonalSddmmF64)(call); }

}  // namespace weft::kernels
#endif
