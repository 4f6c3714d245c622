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

/// Column n of a tiled tensor: its row r is column[r].
template <class T>
struct Column {
  T* first;
  std::int64_t lanes;

  Column(const Tensor& t, std::int64_t n)
      : first(t.data<T>() + n / t.columns()->lanes * t.tile_stride() + n % t.columns()->lanes), lanes(t.columns()->lanes) {}
  T& operator[](std::int64_t row) const { return first[row * lanes]; }
};

/// Calls f(r, c, slot) for every stored block, by row.
template <class F>
void for_each_block(const SparsePattern& s, F&& f) {
  for (std::int64_t r = 0; r < s.grid_rows(); ++r)
    for (std::int64_t e = s.row_ptr()[static_cast<std::size_t>(r)]; e < s.row_ptr()[static_cast<std::size_t>(r) + 1]; ++e)
      f(r, s.col()[static_cast<std::size_t>(e)], s.slot(e));
}

template <class T>
void literal_spmm(const SpmmCall& call) {
  const T* values = call.values.data<T>();
  for (std::int64_t n = 0; n < call.x.columns()->padded(); ++n) {
    const Column<T> x(call.x, n), y(call.y, n);
    for (std::int64_t row = 0; row < call.s.rows() && !call.adds; ++row)
      y[row] = call.bias.defined() ? call.bias.data<T>()[row % call.bias.row_count()] : T{};
    for_each_block(call.s, [&](std::int64_t r, std::int64_t c, std::int32_t slot) {
      for_each_entry(call.s, r, c, slot,
                     [&](std::int64_t row, std::int64_t col, std::int64_t value) { y[row] = std::fma(values[value], x[col], y[row]); });
    });
  }
}

template <class T>
void literal_spmm_t(const SpmmTCall& call) {
  const T* values = call.values.data<T>();
  for (std::int64_t n = 0; n < call.dy.columns()->padded(); ++n) {
    const Column<T> dy(call.dy, n), dx(call.dx, n);
    for (std::int64_t col = 0; col < call.s.cols() && !call.adds; ++col) dx[col] = T{};
    for_each_block(call.s, [&](std::int64_t r, std::int64_t c, std::int32_t slot) {
      for_each_entry(call.s, r, c, slot,
                     [&](std::int64_t row, std::int64_t col, std::int64_t value) { dx[col] = std::fma(values[value], dy[row], dx[col]); });
    });
  }
}

template <class T>
void literal_sddmm(const SddmmCall& call) {
  T* dvalues = call.dvalues.data<T>();
  std::fill_n(dvalues, call.s.values_size(), T{});
  for (std::int64_t n = 0; n < call.x.columns()->count; ++n) {
    const Column<T> x(call.x, n), dy(call.dy, n);
    for_each_block(call.s, [&](std::int64_t r, std::int64_t c, std::int32_t slot) {
      for_each_entry(call.s, r, c, slot, [&](std::int64_t row, std::int64_t col, std::int64_t value) {
        dvalues[value] = std::fma(x[col], dy[row], dvalues[value]);
      });
    });
  }
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
