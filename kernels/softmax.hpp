#pragma once

#include <weft/core/tensor.hpp>

namespace weft::kernels {

// Over the last row axis of each column and leading row. x may be a row view. Sums are taken in double, terms in order.

/// y = exp(x - max x) / Σ exp(x - max x).
void softmax(const Tensor& x, const Tensor& y);
/// dx = y·(dy - Σ y·dy).
void softmax_grad(const Tensor& y, const Tensor& dy, const Tensor& dx);
/// y = x - max x - log Σ exp(x - max x).
void log_softmax(const Tensor& x, const Tensor& y);
/// dx = dy - exp(y)·Σ dy.
void log_softmax_grad(const Tensor& y, const Tensor& dy, const Tensor& dx);

}  // namespace weft::kernels
