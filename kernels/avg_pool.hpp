#pragma once

#include <weft/core/tensor.hpp>
#include <weft/kernels/max_pool.hpp>

namespace weft::kernels {

/// y = the mean of each window, padding counted as zeros.
void avg_pool(const PoolGeometry& g, const Tensor& x, const Tensor& y);
/// dx from dy: each pixel takes its share of the gradient of every window that covers it.
void avg_pool_grad(const PoolGeometry& g, const Tensor& dy, const Tensor& dx);

}  // namespace weft::kernels
