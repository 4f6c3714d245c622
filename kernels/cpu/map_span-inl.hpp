// y[e] = f(x[e]) and dx[e] = dy[e]·f'(·) over a run of elements, for every map of maps.hpp, in groups of 16 so that the bits
// a map saves fill whole bytes at any vector width. Also called by the product's epilogue on rows that are still in cache.
#if defined(WEFT_KERNELS_CPU_MAP_SPAN_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef WEFT_KERNELS_CPU_MAP_SPAN_INL_HPP
#undef WEFT_KERNELS_CPU_MAP_SPAN_INL_HPP
#else
#define WEFT_KERNELS_CPU_MAP_SPAN_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <hwy/highway.h>

#include <weft/kernels/cpu/math-inl.hpp>
#include <weft/kernels/maps.hpp>

HWY_BEFORE_NAMESPACE();
namespace weft::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::int64_t kMapGroup = 16;
template <class T>
using MapVectors = hn::CappedTag<T, static_cast<std::size_t>(kMapGroup)>;

/// A map: Value gives f(x), Slope gives dy·f' from `s`, which is what saves() names. NaN passes through every Value.
struct IdentityMap {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Value(D, V x) const {
    return x;
  }
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Slope(D, V, V dy) const {
    return dy;
  }
};

struct GeluMap {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Value(D d, V x) const {
    return hn::Mul(x, NormalBelow(d, x));
  }
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Slope(D d, V s, V dy) const {  // Φ(s) + s·φ(s)
    using T = hn::TFromD<D>;
    const V square = hn::Mul(hn::Mul(s, s), hn::Set(d, static_cast<T>(-0.5)));
    const V density = hn::Mul(hn::Exp(d, square), hn::Set(d, static_cast<T>(0.39894228040143267794)));
    return hn::Mul(dy, hn::MulAdd(s, density, NormalBelow(d, s)));
  }
};

struct SiluMap {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Value(D d, V x) const {
    return hn::Mul(x, Logistic(d, x));
  }
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Slope(D d, V s, V dy) const {  // σ + s·σ·(1 - σ)
    const V one = hn::Set(d, static_cast<hn::TFromD<D>>(1));
    const V sigma = Logistic(d, s);
    return hn::Mul(dy, hn::Mul(sigma, hn::MulAdd(s, hn::Sub(one, sigma), one)));
  }
};

struct TanhMap {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Value(D d, V x) const {
    return hn::Tanh(d, x);
  }
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Slope(D d, V s, V dy) const {
    return hn::Mul(dy, hn::NegMulAdd(s, s, hn::Set(d, static_cast<hn::TFromD<D>>(1))));
  }
};

struct SigmoidMap {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Value(D d, V x) const {
    return Logistic(d, x);
  }
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Slope(D, V s, V dy) const {
    return hn::Mul(dy, hn::NegMulAdd(s, s, s));
  }
};

struct ExpMap {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Value(D d, V x) const {
    return WholeExp(d, x);
  }
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Slope(D, V s, V dy) const {
    return hn::Mul(dy, s);
  }
};

struct LogMap {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Value(D d, V x) const {
    return WholeLog(d, x);
  }
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Slope(D d, V s, V dy) const {  // zero stays zero, so that padding does even where s is 0
    return hn::IfThenElse(hn::Eq(dy, hn::Zero(d)), dy, hn::Div(dy, s));
  }
};

struct SqrtMap {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Value(D, V x) const {
    return hn::Sqrt(x);
  }
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Slope(D d, V s, V dy) const {
    return hn::IfThenElse(hn::Eq(dy, hn::Zero(d)), dy, hn::Div(hn::Mul(dy, hn::Set(d, static_cast<hn::TFromD<D>>(0.5))), s));
  }
};

struct AbsMap {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Value(D, V x) const {
    return hn::Abs(x);
  }
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Slope(D d, V s, V dy) const {
    const V zero = hn::Zero(d);
    return hn::IfThenElse(hn::Gt(s, zero), dy, hn::IfThenElseZero(hn::Lt(s, zero), hn::Neg(dy)));
  }
};

template <class T>
struct ClampMap {
  T lo, hi;
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Value(D d, V x) const {
    const V bottom = hn::Set(d, lo), top = hn::Set(d, hi);
    return hn::IfThenElse(hn::Lt(x, bottom), bottom, hn::IfThenElse(hn::Gt(x, top), top, x));
  }
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V Slope(D d, V s, V dy) const {
    return hn::IfThenElseZero(hn::And(hn::Ge(s, hn::Set(d, lo)), hn::Le(s, hn::Set(d, hi))), dy);
  }
};

/// Up to 16 elements at the end of a run, copied to whole vectors; what lies beyond repeats the last one.
template <class T>
struct MapTail {
  HWY_ALIGN T lanes[kMapGroup];
  MapTail(const T* from, std::int64_t n) {
    for (std::int64_t i = 0; i < kMapGroup; ++i) lanes[i] = from[std::min(i, n - 1)];
  }
};

template <class T, class F>
HWY_INLINE void MapGroup(const F& f, const T* x, T* y) {
  const MapVectors<T> d;
  for (std::size_t i = 0; i < static_cast<std::size_t>(kMapGroup); i += hn::Lanes(d)) hn::StoreU(f.Value(d, hn::LoadU(d, x + i)), d, y + i);
}

template <class T, class F>
HWY_INLINE void MapRun(const F& f, const T* x, T* y, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + kMapGroup <= n; i += kMapGroup) MapGroup(f, x + i, y + i);
  if (i == n) return;
  MapTail<T> tail(x + i, n - i);
  MapGroup(f, tail.lanes, tail.lanes);
  std::copy_n(tail.lanes, n - i, y + i);
}

template <class T, class F>
HWY_INLINE void SlopeGroup(const F& f, const T* saved, const T* dy, T* dx) {
  const MapVectors<T> d;
  for (std::size_t i = 0; i < static_cast<std::size_t>(kMapGroup); i += hn::Lanes(d))
    hn::StoreU(f.Slope(d, hn::LoadU(d, saved + i), hn::LoadU(d, dy + i)), d, dx + i);
}

template <class T, class F>
HWY_INLINE void SlopeRun(const F& f, const T* saved, const T* dy, T* dx, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + kMapGroup <= n; i += kMapGroup) SlopeGroup(f, saved + i, dy + i, dx + i);
  if (i == n) return;
  MapTail<T> s(saved + i, n - i), slope(dy + i, n - i);
  SlopeGroup(f, s.lanes, slope.lanes, slope.lanes);
  std::copy_n(slope.lanes, n - i, dx + i);
}

/// 16 elements of relu (slope 0) or leaky relu; returns a bit an element, set where x > 0.
template <class T>
HWY_INLINE std::uint16_t RectifyGroup(hn::Vec<MapVectors<T>> slope, bool leaky, const T* x, T* y) {
  const MapVectors<T> d;
  std::uint16_t kept = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(kMapGroup); i += hn::Lanes(d)) {
    const auto v = hn::LoadU(d, x + i);
    const auto negative = hn::Lt(v, hn::Zero(d));  // not "<= 0": NaN must pass
    std::uint8_t bytes[8] = {};
    const std::size_t count = hn::StoreMaskBits(d, hn::Gt(v, hn::Zero(d)), bytes);
    const unsigned word = bytes[0] | (count > 1 ? bytes[1] << 8 : 0);
    kept = static_cast<std::uint16_t>(kept | word << i);
    hn::StoreU(leaky ? hn::IfThenElse(negative, hn::Mul(v, slope), v) : hn::IfThenZeroElse(negative, v), d, y + i);
  }
  return kept;
}

template <class T>
HWY_INLINE void RectifyRun(T slope, bool leaky, const T* x, T* y, std::int64_t n, std::uint8_t* bits) {
  const auto slopes = hn::Set(MapVectors<T>(), slope);
  std::int64_t i = 0;
  for (; i + kMapGroup <= n; i += kMapGroup) {
    const std::uint16_t kept = RectifyGroup<T>(slopes, leaky, x + i, y + i);
    if (bits != nullptr) std::memcpy(bits + i / 8, &kept, sizeof kept);
  }
  if (i == n) return;
  MapTail<T> tail(x + i, n - i);
  const unsigned kept = RectifyGroup<T>(slopes, leaky, tail.lanes, tail.lanes) & ((1u << (n - i)) - 1);
  std::copy_n(tail.lanes, n - i, y + i);
  if (bits == nullptr) return;
  bits[i / 8] = static_cast<std::uint8_t>(kept);
  if (n - i > 8) bits[i / 8 + 1] = static_cast<std::uint8_t>(kept >> 8);
}

template <class T>
HWY_INLINE void RectifyGroupGrad(hn::Vec<MapVectors<T>> slope, std::uint16_t kept, const T* dy, T* dx) {
  const MapVectors<T> d;
  for (std::size_t i = 0; i < static_cast<std::size_t>(kMapGroup); i += hn::Lanes(d)) {
    const unsigned word = static_cast<unsigned>(kept) >> i;
    const std::uint8_t bytes[8] = {static_cast<std::uint8_t>(word), static_cast<std::uint8_t>(word >> 8)};
    const auto positive = hn::LoadMaskBits(d, bytes);
    const auto v = hn::LoadU(d, dy + i);
    hn::StoreU(hn::IfThenElse(positive, v, hn::Mul(v, slope)), d, dx + i);
  }
}

template <class T>
HWY_INLINE void RectifyRunGrad(T slope, const std::uint8_t* bits, const T* dy, T* dx, std::int64_t n) {
  const auto slopes = hn::Set(MapVectors<T>(), slope);
  std::int64_t i = 0;
  for (; i + kMapGroup <= n; i += kMapGroup) {
    std::uint16_t kept;
    std::memcpy(&kept, bits + i / 8, sizeof kept);
    RectifyGroupGrad<T>(slopes, kept, dy + i, dx + i);
  }
  if (i == n) return;
  const unsigned kept = bits[i / 8] | (n - i > 8 ? bits[i / 8 + 1] << 8 : 0);
  MapTail<T> tail(dy + i, n - i);
  RectifyGroupGrad<T>(slopes, static_cast<std::uint16_t>(kept), tail.lanes, tail.lanes);
  std::copy_n(tail.lanes, n - i, dx + i);
}

/// y = f(x) over n elements; x and y may be the same. `bits` gets ceil(n/8) bytes where the map saves bits; null: not wanted.
template <class T>
HWY_INLINE void MapSpan(const MapCall& call, const T* x, T* y, std::int64_t n, std::uint8_t* bits) {
  switch (call.map) {
    case Map::identity: return MapRun(IdentityMap(), x, y, n);
    case Map::relu: return RectifyRun<T>(0, false, x, y, n, bits);
    case Map::leaky_relu: return RectifyRun<T>(static_cast<T>(call.a), true, x, y, n, bits);
    case Map::gelu: return MapRun(GeluMap(), x, y, n);
    case Map::silu: return MapRun(SiluMap(), x, y, n);
    case Map::tanh: return MapRun(TanhMap(), x, y, n);
    case Map::sigmoid: return MapRun(SigmoidMap(), x, y, n);
    case Map::exp: return MapRun(ExpMap(), x, y, n);
    case Map::log: return MapRun(LogMap(), x, y, n);
    case Map::sqrt: return MapRun(SqrtMap(), x, y, n);
    case Map::abs: return MapRun(AbsMap(), x, y, n);
    case Map::clamp: return MapRun(ClampMap<T>{static_cast<T>(call.a), static_cast<T>(call.b)}, x, y, n);
  }
}

/// dx = dy·f' over n elements; `saved` points to the T elements or the bits that saves(call.map) names; dx and dy may be the same.
template <class T>
HWY_INLINE void MapGradSpan(const MapCall& call, const void* saved, const T* dy, T* dx, std::int64_t n) {
  const T* s = saves(call.map) == Saves::nothing ? dy : static_cast<const T*>(saved);
  const auto* bits = static_cast<const std::uint8_t*>(saved);
  switch (call.map) {
    case Map::identity: return SlopeRun(IdentityMap(), s, dy, dx, n);
    case Map::relu: return RectifyRunGrad<T>(0, bits, dy, dx, n);
    case Map::leaky_relu: return RectifyRunGrad<T>(static_cast<T>(call.a), bits, dy, dx, n);
    case Map::gelu: return SlopeRun(GeluMap(), s, dy, dx, n);
    case Map::silu: return SlopeRun(SiluMap(), s, dy, dx, n);
    case Map::tanh: return SlopeRun(TanhMap(), s, dy, dx, n);
    case Map::sigmoid: return SlopeRun(SigmoidMap(), s, dy, dx, n);
    case Map::exp: return SlopeRun(ExpMap(), s, dy, dx, n);
    case Map::log: return SlopeRun(LogMap(), s, dy, dx, n);
    case Map::sqrt: return SlopeRun(SqrtMap(), s, dy, dx, n);
    case Map::abs: return SlopeRun(AbsMap(), s, dy, dx, n);
    case Map::clamp: return SlopeRun(ClampMap<T>{static_cast<T>(call.a), static_cast<T>(call.b)}, s, dy, dx, n);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace weft::kernels
HWY_AFTER_NAMESPACE();

#endif  // WEFT_KERNELS_CPU_MAP_SPAN_INL_HPP
