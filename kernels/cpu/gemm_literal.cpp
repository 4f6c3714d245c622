// C = A·B + bias, B = Aᵀ·C, A (+)= C·Bᵀ as plain loops; a panel of A is [k][m], so the inner loop runs over up to 32 neighbouring rows m.

#include <weft/kernels/cpu/gemm_literal.hpp>

#include <algorithm>

#include <weft/core/parallel.hpp>

namespace weft::kernels::literal {

template <class T>
void gemm(const GemmSize& size, const T* a, const T* bias, Tiles<const T> b, Tiles<T> c) {
  const ValueLayout layout = size.a();
  parallel_for(size.tiles * size.lanes, [&](std::int64_t column) {
    const std::int64_t tile = column / size.lanes, lane = column % size.lanes;
    const T* x = b.first + tile * b.stride + lane;
    T* y = c.first + tile * c.stride + lane;
    for (int p = 0; p < layout.panels(); ++p) {
      const int first = p * ValueLayout::kPanelRows, rows = layout.panel_rows(p), stride = layout.panel_stride(p);
      const T* panel = a + layout.panel_offset(p);
      T sums[ValueLayout::kPanelRows] = {};
      if (bias != nullptr) std::copy_n(bias + first, rows, sums);
      for (int k = 0; k < size.k; ++k)
        for (int m = 0; m < rows; ++m) sums[m] += panel[std::int64_t{k} * stride + m] * x[std::int64_t{k} * size.lanes];
      for (int m = 0; m < rows; ++m) y[std::int64_t{first + m} * size.lanes] = sums[m];
    }
  });
}

template <class T>
void gemm_t(const GemmSize& size, const T* a, Tiles<const T> c, Tiles<T> b) {
  const ValueLayout layout = size.a();
  parallel_for(size.tiles * size.lanes, [&](std::int64_t column) {
    const std::int64_t tile = column / size.lanes, lane = column % size.lanes;
    const T* y = c.first + tile * c.stride + lane;
    T* x = b.first + tile * b.stride + lane;
    for (int k = 0; k < size.k; ++k) {
      T sum = 0;
      for (int p = 0; p < layout.panels(); ++p) {
        const T* values = a + layout.panel_offset(p) + std::int64_t{k} * layout.panel_stride(p);
        const T* rows = y + std::int64_t{p} * ValueLayout::kPanelRows * size.lanes;
        for (int m = 0; m < layout.panel_rows(p); ++m) sum += values[m] * rows[std::int64_t{m} * size.lanes];
      }
      x[std::int64_t{k} * size.lanes] = sum;
    }
  });
}

template <class T>
void gemm_dw(const GemmSize& size, Tiles<const T> c, Tiles<const T> b, Sum sum, T* a) {
  const ValueLayout layout = size.a();
  if (sum == Sum::overwrite) std::fill_n(a, layout.slot_size(), T{});
  parallel_for(size.k, [&](std::int64_t k) {
    for (std::int64_t tile = 0; tile < size.tiles; ++tile)
      for (int lane = 0; lane < size.lanes; ++lane) {
        const T x = b.first[tile * b.stride + k * size.lanes + lane];
        for (int p = 0; p < layout.panels(); ++p) {
          T* values = a + layout.panel_offset(p) + k * layout.panel_stride(p);
          const T* rows = c.first + tile * c.stride + std::int64_t{p} * ValueLayout::kPanelRows * size.lanes + lane;
          for (int m = 0; m < layout.panel_rows(p); ++m) values[m] += rows[std::int64_t{m} * size.lanes] * x;
        }
      }
  });
}

template void gemm(const GemmSize&, const float*, const float*, Tiles<const float>, Tiles<float>);
template void gemm(const GemmSize&, const double*, const double*, Tiles<const double>, Tiles<double>);
template void gemm_t(const GemmSize&, const float*, Tiles<const float>, Tiles<float>);
template void gemm_t(const GemmSize&, const double*, Tiles<const double>, Tiles<double>);
template void gemm_dw(const GemmSize&, Tiles<const float>, Tiles<const float>, Sum, float*);
template void gemm_dw(const GemmSize&, Tiles<const double>, Tiles<const double>, Sum, double*);

}  // namespace weft::kernels::literal
