#pragma once

#include <cstdint>

#include <weft/core/tensor.hpp>

namespace weft::kernels {

/// Σ over leading rows and valid columns of (1-s)·(-log p[target]) + s/C·Σ_c -log p[c], p = softmax over the last row axis of
/// `logits` [lead…, C]; targets equal to `ignore` are left out. `log_sum` (f64, one row for each leading row) gets log Σ exp.
/// Targets (i32) must lie in [0, C) or be `ignore`. Accumulates in double.
double cross_entropy(const Tensor& logits, const Tensor& targets, double smoothing, std::int32_t ignore, const Tensor& log_sum);
/// dlogits = scale·(p - (1-s)·onehot - s/C); zero where the target is ignored and in padding lanes.
void cross_entropy_grad(const Tensor& logits, const Tensor& targets, double smoothing, std::int32_t ignore, const Tensor& log_sum,
                        double scale, const Tensor& dlogits);

/// Σ (x - target)² over all rows and valid columns, in double.
double squared_error(const Tensor& x, const Tensor& target);
/// dx = 2·scale·(x - target); zero in padding lanes.
void squared_error_grad(const Tensor& x, const Tensor& target, double scale, const Tensor& dx);

}  // namespace weft::kernels
