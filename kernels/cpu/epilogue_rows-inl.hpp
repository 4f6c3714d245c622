// The epilogue on rows that a product has just written, while they are hot: residual, map, max window. 16 lanes a row.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include <hwy/highway.h>

#include <weft/kernels/epilogue.hpp>

#if defined(WEFT_KERNELS_CPU_EPILOGUE_ROWS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef WEFT_KERNELS_CPU_EPILOGUE_ROWS_INL
#undef WEFT_KERNELS_CPU_EPILOGUE_ROWS_INL
#else
#define WEFT_KERNELS_CPU_EPILOGUE_ROWS_INL
#endif

#include <weft/kernels/cpu/map_span-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace weft::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// y += residual over n elements.
template <class T>
HWY_INLINE void AddSpan(const T* residual, T* y, std::int64_t n) {
  const hn::CappedTag<T, 16> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::Add(hn::LoadU(d, y + i), hn::LoadU(d, residual + i)), d, y + i);
  for (; i < n; ++i) y[i] += residual[i];
}

/// Adds the mask of one vector to the bits of its 16 lanes. (Masks below come from !(a <= b), so that a NaN is passed on.)
template <class D, class V>
HWY_INLINE void SetBits(D d, hn::Mask<D> mask, int first_lane, std::uint16_t& bits) {
  std::uint8_t bytes[8] = {};
  hn::StoreMaskBits(d, mask, bytes);
  std::uint16_t low = 0;
  std::memcpy(&low, bytes, 2);
  bits = static_cast<std::uint16_t>(bits | low << first_lane);
}

/// Places of the largest fused window: 4x4.
constexpr int kMostPlaces = 16;

/// One row of 16 lanes: out = max over the window's rows z[w·stride]; choice[w] = lanes whose maximum is the w-th (the first among
/// equals), less those that a following relu stops.
template <class T, bool kRelu>
HWY_INLINE void MaxRow(const T* z, std::int64_t stride, int window, T* out, std::uint16_t* choice) {
  const hn::CappedTag<T, 16> d;
  using D = decltype(d);
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
  std::uint16_t taken[kMostPlaces] = {};
  std::uint16_t alive = 0;
  for (int first = 0; first < 16; first += kLanes) {
    auto best = hn::LoadU(d, z + first);
    for (int w = 1; w < window; ++w) {
      const auto candidate = hn::LoadU(d, z + w * stride + first);
      const auto larger = hn::Not(hn::Le(candidate, best));
      SetBits<D, decltype(best)>(d, larger, first, taken[w]);
      best = hn::IfThenElse(larger, candidate, best);
    }
    if constexpr (kRelu) {
      const auto positive = hn::Not(hn::Le(best, hn::Zero(d)));
      SetBits<D, decltype(best)>(d, positive, first, alive);
      best = hn::IfThenElseZero(positive, best);
    }
    hn::StoreU(best, d, out + first);
  }
  std::uint16_t later = 0;
  for (int w = window - 1; w > 0; --w) {
    choice[w] = static_cast<std::uint16_t>(taken[w] & ~later);
    later = static_cast<std::uint16_t>(later | taken[w]);
  }
  choice[0] = static_cast<std::uint16_t>(~later);
  if constexpr (kRelu)
    for (int w = 0; w < window; ++w) choice[w] = static_cast<std::uint16_t>(choice[w] & alive);
}

}  // namespace weft::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
