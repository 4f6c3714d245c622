#pragma once

#include <cstdint>

#include <weft/core/tensor.hpp>

namespace weft::kernels {

// Sums over the rows that CountedRows counts, of valid columns; everything else gets the gradient zero. Sums are taken in double.

/// Σ over leading rows of (1-s)·(-log p[target]) + s/C·Σ_c -log p[c], p = softmax over the last row axis of `logits` [lead…, C];
/// targets equal to `ignore` are left out. `log_sum` (f64, one row for each leading row) gets log Σ exp.
/// Targets (i32) that are counted must lie in [0, C) or be `ignore`.
double cross_entropy(const Tensor& logits, const Tensor& targets, double smoothing, std::int32_t ignore, const Tensor& log_sum);
/// dlogits = scale·(p - (1-s)·onehot - s/C); zero where the target is ignored.
void cross_entropy_grad(const Tensor& logits, const Tensor& targets, double smoothing, std::int32_t ignore, const Tensor& log_sum,
                        double scale, const Tensor& dlogits);

/// A loss of one prediction x and its target t.
struct PointLoss {
  enum class Kind : std::uint8_t {
    squared,          ///< (x - t)²
    absolute,         ///< |x - t|
    huber,            ///< (x - t)²/2 where |x - t| <= delta, else delta·(|x - t| - delta/2)
    bce_with_logits,  ///< -t·log σ(x) - (1 - t)·log(1 - σ(x)), as max(x, 0) - x·t + log(1 + exp(-|x|))
  };
  Kind kind;
  double delta = 1;
};

/// Σ over all counted rows of the loss.
double point_loss(const PointLoss& loss, const Tensor& x, const Tensor& target);
/// dx = scale·d loss/dx; zero where |x - t| bends.
void point_loss_grad(const PointLoss& loss, const Tensor& x, const Tensor& target, double scale, const Tensor& dx);

}  // namespace weft::kernels
