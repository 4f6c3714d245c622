// Optimizer steps over flat arrays (arenas: 64-byte aligned, padding included; zeros stay zeros). Every element is on its
// own and every operation rounds by itself (no fma), so the bits are those of any other instruction set. Bound by memory.
#include <weft/kernels/optimizers.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <weft/kernels/cpu/optimizers.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace weft::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Calls step(d, i) for whole vectors of the widest d, then for single elements.
template <class T, class Step>
HWY_INLINE void for_vectors(std::int64_t n, const Step& step) {
  const hn::ScalableTag<T> wide;
  const hn::CappedTag<T, 1> one;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(wide));
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) step(wide, i);
  for (; i < n; ++i) step(one, i);
}

template <class T>
struct SgdStep {
  const SgdCall& call;
  const T* gradient;
  T* velocity;
  T* value;

  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const auto theta = hn::LoadU(d, value + i);
    auto g = hn::LoadU(d, gradient + i);
    if (call.weight_decay != 0) g = hn::Add(g, hn::Mul(hn::Set(d, static_cast<T>(call.weight_decay)), theta));
    auto move = g;
    if (call.momentum != 0) {
      const auto mu = hn::Set(d, static_cast<T>(call.momentum));
      const auto v = hn::Add(hn::Mul(mu, hn::LoadU(d, velocity + i)), g);
      hn::StoreU(v, d, velocity + i);
      move = call.nesterov ? hn::Add(g, hn::Mul(mu, v)) : v;
    }
    hn::StoreU(hn::Sub(theta, hn::Mul(hn::Set(d, static_cast<T>(call.lr)), move)), d, value + i);
  }
};

template <class T>
struct AdamStep {
  const AdamCall& call;
  const T* gradient;
  T* m;
  T* v;
  T* value;

  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t i) const {
    const auto set = [d](double x) HWY_ATTR { return hn::Set(d, static_cast<T>(x)); };
    auto theta = hn::Mul(hn::LoadU(d, value + i), set(call.shrink));
    auto g = hn::LoadU(d, gradient + i);
    if (call.weight_decay != 0) g = hn::Add(g, hn::Mul(set(call.weight_decay), theta));
    const auto mean = hn::Add(hn::Mul(set(call.beta1), hn::LoadU(d, m + i)), hn::Mul(set(1 - call.beta1), g));
    const auto square = hn::Add(hn::Mul(set(call.beta2), hn::LoadU(d, v + i)), hn::Mul(set(1 - call.beta2), hn::Mul(g, g)));
    hn::StoreU(mean, d, m + i);
    hn::StoreU(square, d, v + i);
    const auto root = hn::Add(hn::Sqrt(hn::Div(square, set(call.correction2))), set(call.eps));
    theta = hn::Sub(theta, hn::Div(hn::Mul(set(call.lr / call.correction1), mean), root));
    hn::StoreU(theta, d, value + i);
  }
};

template <class T>
void sgd_vectors(const SgdCall& call, std::int64_t n, const T* gradient, T* velocity, T* value) {
  for_vectors<T>(n, SgdStep<T>{call, gradient, velocity, value});
}

template <class T>
void adam_vectors(const AdamCall& call, std::int64_t n, const T* gradient, T* m, T* v, T* value) {
  for_vectors<T>(n, AdamStep<T>{call, gradient, m, v, value});
}

void sgd_f32(const SgdCall& c, std::int64_t n, const float* g, float* u, float* x) { sgd_vectors(c, n, g, u, x); }
void sgd_f64(const SgdCall& c, std::int64_t n, const double* g, double* u, double* x) { sgd_vectors(c, n, g, u, x); }
void adam_f32(const AdamCall& c, std::int64_t n, const float* g, float* m, float* v, float* x) { adam_vectors(c, n, g, m, v, x); }
void adam_f64(const AdamCall& c, std::int64_t n, const double* g, double* m, double* v, double* x) { adam_vectors(c, n, g, m, v, x); }

}  // namespace weft::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft::kernels {

HWY_EXPORT(sgd_f32);
HWY_EXPORT(sgd_f64);
HWY_EXPORT(adam_f32);
HWY_EXPORT(adam_f64);

void sgd(const SgdCall& call, std::int64_t n, const float* gradient, float* velocity, float* value) {
  HWY_DYNAMIC_DISPATCH(sgd_f32)(call, n, gradient, velocity, value);
}
void sgd(const SgdCall& call, std::int64_t n, const double* gradient, double* velocity, double* value) {
  HWY_DYNAMIC_DISPATCH(sgd_f64)(call, n, gradient, velocity, value);
}
void adam(const AdamCall& call, std::int64_t n, const float* gradient, float* m, float* v, float* value) {
  HWY_DYNAMIC_DISPATCH(adam_f32)(call, n, gradient, m, v, value);
}
void adam(const AdamCall& call, std::int64_t n, const double* gradient, double* m, double* v, double* value) {
  HWY_DYNAMIC_DISPATCH(adam_f64)(call, n, gradient, m, v, value);
}

template <class T>
double sum_of_squares(std::int64_t n, const T* g) {
  constexpr int kSums = 8;
  double sums[kSums] = {};
  std::int64_t i = 0;
  for (; i + kSums <= n; i += kSums)
    for (int j = 0; j < kSums; ++j) sums[j] += static_cast<double>(g[i + j]) * static_cast<double>(g[i + j]);
  for (; i < n; ++i) sums[i % kSums] += static_cast<double>(g[i]) * static_cast<double>(g[i]);
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

template <class T>
void scale(double factor, std::int64_t n, T* g) {
  const T by = static_cast<T>(factor);
  for (std::int64_t i = 0; i < n; ++i) g[i] *= by;
}

template double sum_of_squares<float>(std::int64_t, const float*);
template double sum_of_squares<double>(std::int64_t, const double*);
template void scale<float>(double, std::int64_t, float*);
template void scale<double>(double, std::int64_t, double*);

}  // namespace weft::kernels
#endif
