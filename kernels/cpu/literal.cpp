// The three products as the definition reads, one entry at a time, for every pattern and lane form: the reference that the other
// rows of the table are tested against, and the place to start reading.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <weft/kernels/cpu/lane_sums.hpp>
#include <weft/kernels/kernel_table.hpp>

namespace weft::kernels {

namespace {

/// Calls f(row, column, index of its value) for every kept entry of stored block e in block row r.
template <class F>
void for_each_entry(const SparsePattern& s, std::int64_t r, std::int64_t c, std::int32_t slot, F&& f) {
  const ValueLayout& block = s.block();
  for (int k = 0; k < s.width_of(c); ++k)
    for (int m = 0; m < s.height_of(r); ++m)
      if (s.kept(slot, m, k)) f(r * block.height + m, c * block.width + k, slot * block.slot_size() + block.offset(m, k));
}

/// Element (row, column n) of a tiled tensor.
template <class T>
T& at(const Tensor& t, std::int64_t row, std::int64_t n) {
  const std::int64_t lanes = t.columns()->lanes;
  return t.data<T>()[n / lanes * t.tile_stride() + row * lanes + n % lanes];
}

template <class T>
void literal_spmm(const SpmmCall& call) {
  const SparsePattern& s = call.s;
  for (std::int64_t n = 0; n < call.x.columns()->padded(); ++n) {
    for (std::int64_t row = 0; row < s.rows(); ++row)
      at<T>(call.y, row, n) = call.bias.defined() ? call.bias.data<T>()[row % call.bias.row_count()] : T{};
    for (std::int64_t r = 0; r < s.grid_rows(); ++r)
      for (std::int64_t e = s.row_ptr()[static_cast<std::size_t>(r)]; e < s.row_ptr()[static_cast<std::size_t>(r) + 1]; ++e)
        for_each_entry(s, r, s.col()[static_cast<std::size_t>(e)], s.slot(e), [&](std::int64_t row, std::int64_t col, std::int64_t value) {
          at<T>(call.y, row, n) = std::fma(call.values.data<T>()[value], at<T>(call.x, col, n), at<T>(call.y, row, n));
        });
  }
}

template <class T>
void literal_spmm_t(const SpmmTCall& call) {
  const SparsePattern& s = call.s;
  for (std::int64_t n = 0; n < call.dy.columns()->padded(); ++n) {
    for (std::int64_t col = 0; col < s.cols(); ++col) at<T>(call.dx, col, n) = T{};
    for (std::int64_t r = 0; r < s.grid_rows(); ++r)
      for (std::int64_t e = s.row_ptr()[static_cast<std::size_t>(r)]; e < s.row_ptr()[static_cast<std::size_t>(r) + 1]; ++e)
        for_each_entry(s, r, s.col()[static_cast<std::size_t>(e)], s.slot(e), [&](std::int64_t row, std::int64_t col, std::int64_t value) {
          at<T>(call.dx, col, n) = std::fma(call.values.data<T>()[value], at<T>(call.dy, row, n), at<T>(call.dx, col, n));
        });
  }
}

template <class T>
void literal_sddmm(const SddmmCall& call) {
  const SparsePattern& s = call.s;
  T* dvalues = call.dvalues.data<T>();
  std::fill_n(dvalues, s.values_size(), T{});
  for (std::int64_t r = 0; r < s.grid_rows(); ++r)
    for (std::int64_t n = 0; n < call.x.columns()->count; ++n)
      for (std::int64_t e = s.row_ptr()[static_cast<std::size_t>(r)]; e < s.row_ptr()[static_cast<std::size_t>(r) + 1]; ++e)
        for_each_entry(s, r, s.col()[static_cast<std::size_t>(e)], s.slot(e), [&](std::int64_t row, std::int64_t col, std::int64_t value) {
          dvalues[value] = std::fma(at<T>(call.x, col, n), at<T>(call.dy, row, n), dvalues[value]);
        });
  if (call.dbias.defined()) bias_gradient<T>(call);
}

}  // namespace

void literal_f32(const SpmmCall& call) { literal_spmm<float>(call); }
void literal_f64(const SpmmCall& call) { literal_spmm<double>(call); }
void literal_t_f32(const SpmmTCall& call) { literal_spmm_t<float>(call); }
void literal_t_f64(const SpmmTCall& call) { literal_spmm_t<double>(call); }
void literal_dw_f32(const SddmmCall& call) { literal_sddmm<float>(call); }
void literal_dw_f64(const SddmmCall& call) { literal_sddmm<double>(call); }

}  // namespace weft::kernels
