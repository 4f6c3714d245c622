#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include <weft/core/parallel.hpp>
#include <weft/core/tensor.hpp>

namespace weft::kernels {

/// Calls f(tile, first, n) for runs of elements that cover every row and lane of tensors of equal shape: the run begins at
/// element `tile * tensor.tile_stride() + first` of each. Contiguous tensors are walked as one tile. Runs are as long as a
/// cache's first level likes and fall to the threads in order; runs begin at multiples of 16 elements.
template <class F>
void for_spans(std::initializer_list<const Tensor*> tensors, F&& f) {
  constexpr std::int64_t kRun = 8192;
  const Tensor& model = **tensors.begin();
  const bool flat = std::all_of(tensors.begin(), tensors.end(), [](const Tensor* t) { return t->is_contiguous(); });
  const std::int64_t tiles = flat || !model.is_tiled() ? 1 : model.columns()->tiles();
  const std::int64_t length = tiles == 0 ? 0 : model.element_count() / tiles;
  const std::int64_t runs = (length + kRun - 1) / kRun;
  parallel_for(tiles * runs, [&](std::int64_t i) {
    const std::int64_t first = i % runs * kRun;
    f(i / runs, first, std::min(kRun, length - first));
  });
}

/// The element of t where a run of for_spans begins.
template <class T>
T* at(const Tensor& t, std::int64_t tile, std::int64_t first) {
  return t.data<T>() + tile * t.tile_stride() + first;
}

}  // namespace weft::kernels
