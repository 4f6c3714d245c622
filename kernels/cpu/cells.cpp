// A step of a recurrence as a whole, in runs that stay in the first cache.
#include <weft/kernels/cells.hpp>

#include <algorithm>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <weft/kernels/cpu/cells.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <weft/core/parallel.hpp>
#include <weft/kernels/cpu/cell_rows-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace weft::kernels::HWY_NAMESPACE {

/// Calls f(tile, first, n) for runs that cover the elements of h.
template <class F>
void for_runs(const Tensor& h, F&& f) {
  constexpr std::int64_t kRun = 512;
  const std::int64_t length = h.row_count() * h.columns()->lanes, runs = (length + kRun - 1) / kRun;
  parallel_for(h.columns()->tiles() * runs, [&](std::int64_t i) {
    const std::int64_t first = i % runs * kRun;
    f(i / runs, first, std::min(kRun, length - first));
  });
}

template <class T>
void Forward(Cell which, const CellStep& step) {
  const CellRows<T> rows(which, step);
  for_runs(step.h, [&](std::int64_t tile, std::int64_t first, std::int64_t n) { rows.forward(tile, first, n); });
}
template <class T>
void Backward(Cell which, const CellStep& step, const CellGradients& g) {
  const CellRows<T> rows(which, step, g);
  for_runs(step.h, [&](std::int64_t tile, std::int64_t first, std::int64_t n) { rows.backward(tile, first, n); });
}

void CellF32(Cell which, const CellStep& step) { Forward<float>(which, step); }
void CellF64(Cell which, const CellStep& step) { Forward<double>(which, step); }
void CellGradF32(Cell which, const CellStep& step, const CellGradients& g) { Backward<float>(which, step, g); }
void CellGradF64(Cell which, const CellStep& step, const CellGradients& g) { Backward<double>(which, step, g); }

}  // namespace weft::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft::kernels {

HWY_EXPORT(CellF32);
HWY_EXPORT(CellF64);
HWY_EXPORT(CellGradF32);
HWY_EXPORT(CellGradF64);

int gates(Cell cell) { return cell == Cell::lstm ? 4 : cell == Cell::gru ? 3 : 1; }

const char* name_of(Cell cell) {
  switch (cell) {
    case Cell::linear: return "linear";
    case Cell::tanh: return "tanh";
    case Cell::relu: return "relu";
    case Cell::gru: return "gru";
    case Cell::lstm: return "lstm";
  }
  return "?";
}

void cell(Cell which, const CellStep& step) {
  step.h.dtype() == Dtype::f32 ? HWY_DYNAMIC_DISPATCH(CellF32)(which, step) : HWY_DYNAMIC_DISPATCH(CellF64)(which, step);
}

void cell_grad(Cell which, const CellStep& step, const CellGradients& g) {
  step.h.dtype() == Dtype::f32 ? HWY_DYNAMIC_DISPATCH(CellGradF32)(which, step, g) : HWY_DYNAMIC_DISPATCH(CellGradF64)(which, step, g);
}

}  // namespace weft::kernels
#endif
