// The epilogue on rows that a product has just written, while they are hot: residual, map, max window. 16 lanes a row.

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include <hwy/highway.h>

#include <weft/kernels/cpu/unroll.hpp>
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

/// Residual and map on `n` elements at `out` that a pass has just written: those of y's tile from `offset` on.
template <class T>
HWY_INLINE void FinishRows(const Epilogue& e, const Tensor& y, std::int64_t tile, std::int64_t offset, T* out, std::int64_t n) {
  if (e.residual.defined()) AddSpan(e.residual.data<T>() + tile * e.residual.tile_stride() + offset, out, n);
  if (e.map.map == Map::identity) return;
  const std::int64_t element = tile * y.tile_stride() + offset;  // y and saved are contiguous alike
  std::uint8_t* bits = nullptr;
  if (saves(e.map.map) == Saves::bits) bits = reinterpret_cast<std::uint8_t*>(e.saved.bytes()) + element / 8;
  if (saves(e.map.map) == Saves::input) std::copy_n(out, n, e.saved.data<T>() + element);
  MapSpan(e.map, out, out, n, bits);
}

/// The bits of lanes [first_lane, …) of 16 from the mask of one vector. (Masks below come from !(a <= b), so that a NaN is passed on.)
template <class D>
HWY_INLINE void StoreBits(D d, hn::Mask<D> mask, int first_lane, std::uint16_t& bits) {
  std::uint8_t bytes[8] = {};
  hn::StoreMaskBits(d, mask, bytes);
  const int some = hn::MaxLanes(d) > 8 ? bytes[0] | bytes[1] << 8 : bytes[0];
  bits = static_cast<std::uint16_t>(first_lane == 0 ? some : bits | some << first_lane);
}

/// The mask of one vector from the bits of lanes [first_lane, …) of 16.
template <class D>
HWY_INLINE hn::Mask<D> BitsToMask(D d, std::uint16_t bits, int first_lane) {
  const int here = bits >> first_lane;
  const std::uint8_t bytes[8] = {static_cast<std::uint8_t>(here), static_cast<std::uint8_t>(here >> 8)};
  return hn::LoadMaskBits(d, bytes);
}

/// Sides of fused windows: 1 to 4.
constexpr int kMostPlaces = 16;

/// Each row of 16 lanes: out = max over the window's rows z[w·stride]; choice[w] = lanes whose maximum is the w-th (the first among
/// equals), less those that a following relu stops.
template <class T, bool kRelu, int kPlaces>
HWY_INLINE void MaxRowsOf(const T* z, std::int64_t stride, std::int64_t rows, T* out, std::uint16_t* choice) {
  const hn::CappedTag<T, 16> d;
  using D = decltype(d);
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
  for (; rows > 0; --rows, z += 16, out += 16, choice += kPlaces)
    for (int first = 0; first < 16; first += kLanes) {
      hn::Mask<D> taken[kPlaces];
      auto best = hn::LoadU(d, z + first);
      WEFT_UNROLL for (int w = 1; w < kPlaces; ++w) {
        const auto candidate = hn::LoadU(d, z + w * stride + first);
        taken[w] = hn::Not(hn::Le(candidate, best));
        best = hn::IfThenElse(taken[w], candidate, best);
      }
      hn::Mask<D> free = hn::FirstN(d, kLanes);
      if constexpr (kRelu) {
        free = hn::Not(hn::Le(best, hn::Zero(d)));
        best = hn::IfThenElseZero(free, best);
      }
      hn::StoreU(best, d, out + first);
      WEFT_UNROLL for (int w = kPlaces - 1; w > 0; --w) {
        StoreBits(d, hn::And(taken[w], free), first, choice[w]);
        free = hn::AndNot(taken[w], free);
      }
      StoreBits(d, free, first, choice[0]);
    }
}

template <class T>
HWY_INLINE void MaxRows(const Epilogue& e, const T* z, std::int64_t stride, std::int64_t rows, T* out, std::uint16_t* choice) {
  const bool relu = e.map.map == Map::relu;
  const auto run = [&](auto places) {
    if (relu) MaxRowsOf<T, true, decltype(places)::value>(z, stride, rows, out, choice);
    else MaxRowsOf<T, false, decltype(places)::value>(z, stride, rows, out, choice);
  };
  switch (e.window.kernel) {
    case 1: return run(std::integral_constant<int, 1>());
    case 2: return run(std::integral_constant<int, 4>());
    case 3: return run(std::integral_constant<int, 9>());
    default: return run(std::integral_constant<int, kMostPlaces>());
  }
}

}  // namespace weft::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
