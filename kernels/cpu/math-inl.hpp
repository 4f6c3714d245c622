// exp, log, the logistic function and erf on vectors. Highway's routines (but tanh) hold on a stated range only and lose NaN; here they
// are carried to all of the type: overflow gives inf, the logarithm of a negative number NaN, and NaN stays NaN.
#if defined(WEFT_KERNELS_CPU_MATH_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef WEFT_KERNELS_CPU_MATH_INL_HPP
#undef WEFT_KERNELS_CPU_MATH_INL_HPP
#else
#define WEFT_KERNELS_CPU_MATH_INL_HPP
#endif

#include <cmath>
#include <cstddef>
#include <limits>

// After the toggle, as every file of this kind.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace weft::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class D, class V = hn::Vec<D>>
HWY_INLINE V WholeExp(D d, V x) {
  using T = hn::TFromD<D>;
  constexpr T kTop = sizeof(T) == 4 ? static_cast<T>(88.72283935546875) : static_cast<T>(709.782712893384);
  // Highway's f64 exp holds to 706: halve the argument above it and square.
  const V top = hn::Set(d, kTop);
  const auto large = hn::Gt(x, hn::Set(d, static_cast<T>(sizeof(T) == 4 ? 88 : 700)));
  const V shift = hn::IfThenElseZero(large, hn::Set(d, static_cast<T>(2)));
  V y = hn::Exp(d, hn::Sub(hn::Min(x, top), shift));
  y = hn::IfThenElse(large, hn::Mul(y, hn::Set(d, static_cast<T>(7.389056098930650227))), y);
  y = hn::IfThenElse(hn::Gt(x, top), hn::Set(d, std::numeric_limits<T>::infinity()), y);
  return hn::IfThenElse(hn::IsNaN(x), x, y);
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V WholeLog(D d, V x) {
  using T = hn::TFromD<D>;
  const V infinity = hn::Set(d, std::numeric_limits<T>::infinity());
  V y = hn::Log(d, x);
  y = hn::IfThenElse(hn::Eq(x, infinity), infinity, y);
  y = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Neg(infinity), y);
  return hn::IfThenElse(hn::Ge(x, hn::Zero(d)), y, hn::Set(d, std::numeric_limits<T>::quiet_NaN()));
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V Logistic(D d, V x) {
  using T = hn::TFromD<D>;
  const V one = hn::Set(d, static_cast<T>(1));
  const V bound = hn::Set(d, static_cast<T>(sizeof(T) == 4 ? 104 : 706));  // Highway's exp holds to here; in floats it is infinite
  V y = hn::Div(one, hn::Add(one, hn::Exp(d, hn::Min(hn::Neg(x), bound))));
  if constexpr (sizeof(T) == 8) y = hn::IfThenElseZero(hn::Ge(x, hn::Neg(bound)), y);
  return hn::IfThenElse(hn::IsNaN(x), x, y);
}

/// c[0] + c[1]·x + …
template <class D, class V, std::size_t n>
HWY_INLINE V Polynomial(D d, V x, const float (&c)[n]) {
  V y = hn::Set(d, c[n - 1]);
  for (std::size_t i = n - 1; i-- > 0;) y = hn::MulAdd(y, x, hn::Set(d, c[i]));
  return y;
}

/// erf. In f32, to 2e-7 of its value: x·P(x²) up to 1, 1 - exp(Q(|x|)) beyond, where P and Q interpolate erf(√t)/√t and
/// log erfc at Chebyshev points. In f64 the C library's, lane by lane.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Erf(D d, V x) {
  if constexpr (sizeof(hn::TFromD<D>) == 8) {
    HWY_ALIGN double lanes[hn::MaxLanes(D())];
    hn::Store(x, d, lanes);
    for (std::size_t i = 0; i < hn::Lanes(d); ++i) lanes[i] = std::erf(lanes[i]);
    return hn::Load(d, lanes);
  } else {
    constexpr float kNear[] = {1.1283791065f,   -0.3761262596f,    0.1128359437f,    -0.02685421146f,
                               0.005189087242f, -0.0008016864303f, 0.00007875874871f};
    constexpr float kFar[] = {0.0003201380605f, -1.1302334070f,   -0.6318260431f,     -0.1100800857f,    0.02642113529f,
                              -0.004759596195f, 0.0005968056503f, -0.00004605804133f, 0.000001637151340f};
    const V one = hn::Set(d, 1.0f);
    const V size = hn::Min(hn::Abs(x), hn::Set(d, 4.0f));  // 1 - erf(4) is below half a last bit
    const V near = hn::Mul(Polynomial(d, hn::Mul(x, x), kNear), x);
    const V far = hn::CopySign(hn::Sub(one, hn::Exp(d, Polynomial(d, size, kFar))), x);
    return hn::IfThenElse(hn::Gt(hn::Abs(x), one), far, near);  // NaN takes the first polynomial, which keeps it
  }
}

/// Φ(x), the normal distribution function.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V NormalBelow(D d, V x) {
  using T = hn::TFromD<D>;
  const V half = hn::Set(d, static_cast<T>(0.5));
  return hn::MulAdd(half, Erf(d, hn::Mul(x, hn::Set(d, static_cast<T>(0.70710678118654752440)))), half);
}

}  // namespace HWY_NAMESPACE
}  // namespace weft::kernels
HWY_AFTER_NAMESPACE();

#endif  // WEFT_KERNELS_CPU_MATH_INL_HPP
