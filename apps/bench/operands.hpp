#pragma once

#include <cstdint>
#include <functional>

#include <weft/apps/bench/passes.hpp>
#include <weft/core/sparse_pattern.hpp>
#include <weft/core/tensor.hpp>

namespace weft::bench {

/// The tensors of one layer's three products in f32, filled with noise. Copies share them.
struct ProductOperands {
  PatternPtr pattern;
  Tensor values, x, y, dy, dx, dvalues;

  ProductOperands(PatternPtr pattern, std::int64_t n);
  /// Useful FLOPs of any of the three.
  double flops() const;
  /// A call of the public entry: spmm, spmm_t or sddmm.
  std::function<void()> call(Pass pass) const;
};

/// Fills a tensor's storage with noise.
void fill_noise(const Tensor& tensor);

}  // namespace weft::bench
