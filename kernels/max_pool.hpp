#pragma once

#include <weft/core/shape.hpp>
#include <weft/core/tensor.hpp>

namespace weft::kernels {

/// Windows of kernel x kernel pixels, `stride` apart, on a lattice padded by `pad` (padding never wins).
struct PoolGeometry {
  Lattice in, out;
  int kernel, stride, pad;
};

/// y = maximum of each window; `place` (u8, y's rows and columns) = which pixel of the window it is, the first among equals; a NaN wins.
/// Windows of at most 16 x 16.
void max_pool(const PoolGeometry& g, const Tensor& x, const Tensor& y, const Tensor& place);
/// dx from dy: each window's gradient goes to the pixel that won, summed where windows overlap.
void max_pool_grad(const PoolGeometry& g, const Tensor& place, const Tensor& dy, const Tensor& dx);

}  // namespace weft::kernels
