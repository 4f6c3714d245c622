// 16x16 transposes from [row][lane] to [lane][row].

#include <cstdint>

#include <hwy/highway.h>

#if defined(WEFT_KERNELS_CPU_TRANSPOSE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef WEFT_KERNELS_CPU_TRANSPOSE_INL
#undef WEFT_KERNELS_CPU_TRANSPOSE_INL
#else
#define WEFT_KERNELS_CPU_TRANSPOSE_INL
#endif

HWY_BEFORE_NAMESPACE();
namespace weft::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// out[lane · out_stride + r] = in[r · 16 + lane] for r < 4, four lanes from `lane` on: one 4x4 corner in 128-bit vectors.
HWY_INLINE void Transpose4x4(const float* in, float* out, std::int64_t out_stride) {
  const hn::FixedTag<float, 4> d;
  const hn::RepartitionToWide<decltype(d)> wide;
  const auto r0 = hn::LoadU(d, in), r1 = hn::LoadU(d, in + 16), r2 = hn::LoadU(d, in + 32), r3 = hn::LoadU(d, in + 48);
  const auto low01 = hn::BitCast(wide, hn::InterleaveLower(d, r0, r1)), low23 = hn::BitCast(wide, hn::InterleaveLower(d, r2, r3));
  const auto high01 = hn::BitCast(wide, hn::InterleaveUpper(d, r0, r1)), high23 = hn::BitCast(wide, hn::InterleaveUpper(d, r2, r3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, low01, low23)), d, out);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, low01, low23)), d, out + out_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, high01, high23)), d, out + 2 * out_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, high01, high23)), d, out + 3 * out_stride);
}

/// out[lane · out_stride + r] = in[r · 16 + lane] for `rows` <= 16 rows; the rest of 16 is zero.
template <class T>
HWY_INLINE void TransposeRows(const T* in, int rows, T* out, std::int64_t out_stride) {
  int r = 0;
  if constexpr (sizeof(T) == 4) {
    for (; r + 4 <= rows; r += 4)
      for (int lane = 0; lane < 16; lane += 4) Transpose4x4(in + r * 16 + lane, out + lane * out_stride + r, out_stride);
  }
  for (; r < rows; ++r)
    for (int lane = 0; lane < 16; ++lane) out[lane * out_stride + r] = in[r * 16 + lane];
  for (; r < 16; ++r)
    for (int lane = 0; lane < 16; ++lane) out[lane * out_stride + r] = 0;
}

}  // namespace weft::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
