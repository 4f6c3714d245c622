#pragma once

#include <cstdint>

namespace weft::kernels {

/// One step of stochastic gradient descent over n elements:
///   g += weight_decay·value; velocity = momentum·velocity + g;
///   value −= lr·(nesterov ? g + momentum·velocity : velocity); without momentum the velocity is not touched and may be null.
struct SgdCall {
  double lr = 0, momentum = 0, weight_decay = 0;
  bool nesterov = false;
};
void sgd(const SgdCall& call, std::int64_t n, const float* gradient, float* velocity, float* value);
void sgd(const SgdCall& call, std::int64_t n, const double* gradient, double* velocity, double* value);

/// One step of Adam over n elements:
///   value *= shrink; g += weight_decay·value; m = beta1·m + (1−beta1)·g; v = beta2·v + (1−beta2)·g²;
///   value −= lr·(m/correction1) / (sqrt(v/correction2) + eps).
struct AdamCall {
  double lr = 0, beta1 = 0, beta2 = 0, eps = 0, weight_decay = 0;
  double shrink = 1;  ///< AdamW: 1 − lr·weight_decay
  double correction1 = 1, correction2 = 1;
};
void adam(const AdamCall& call, std::int64_t n, const float* gradient, float* m, float* v, float* value);
void adam(const AdamCall& call, std::int64_t n, const double* gradient, double* m, double* v, double* value);

/// Σ g² in double: 8 sums over strided elements, added in order.
template <class T>
double sum_of_squares(std::int64_t n, const T* g);
/// g *= factor.
template <class T>
void scale(double factor, std::int64_t n, T* g);

}  // namespace weft::kernels
