// The elementwise maps on whole tensors; the formulas are in map_span-inl.hpp. Operands lie [tile][row][lane], padding included.
#include <weft/kernels/maps.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "weft/kernels/cpu/maps.cpp"
#include <hwy/foreach_target.h>

#include <weft/kernels/cpu/map_span-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace weft::kernels {
namespace HWY_NAMESPACE {

void MapF32(const MapCall& call, const float* x, float* y, std::int64_t n, std::uint8_t* bits) { MapSpan(call, x, y, n, bits); }
void MapF64(const MapCall& call, const double* x, double* y, std::int64_t n, std::uint8_t* bits) { MapSpan(call, x, y, n, bits); }
void MapGradF32(const MapCall& call, const void* saved, const float* dy, float* dx, std::int64_t n) { MapGradSpan(call, saved, dy, dx, n); }
void MapGradF64(const MapCall& call, const void* saved, const double* dy, double* dx, std::int64_t n) {
  MapGradSpan(call, saved, dy, dx, n);
}

}  // namespace HWY_NAMESPACE
}  // namespace weft::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <weft/core/error.hpp>
#include <weft/kernels/cpu/spans.hpp>

namespace weft::kernels {

HWY_EXPORT(MapF32);
HWY_EXPORT(MapF64);
HWY_EXPORT(MapGradF32);
HWY_EXPORT(MapGradF64);

Saves saves(Map map) {
  switch (map) {
    case Map::identity: return Saves::nothing;
    case Map::relu:
    case Map::leaky_relu: return Saves::bits;
    case Map::tanh:
    case Map::sigmoid:
    case Map::exp:
    case Map::sqrt: return Saves::output;
    case Map::gelu:
    case Map::silu:
    case Map::log:
    case Map::abs:
    case Map::clamp: return Saves::input;
  }
  return Saves::input;
}

const char* name_of(Map map) {
  switch (map) {
    case Map::identity: return "identity";
    case Map::relu: return "relu";
    case Map::leaky_relu: return "leaky_relu";
    case Map::gelu: return "gelu";
    case Map::silu: return "silu";
    case Map::tanh: return "tanh";
    case Map::sigmoid: return "sigmoid";
    case Map::exp: return "exp";
    case Map::log: return "log";
    case Map::sqrt: return "sqrt";
    case Map::abs: return "abs";
    case Map::clamp: return "clamp";
  }
  return "?";
}

std::int64_t bit_bytes(const Tensor& x) { return (x.element_count() + 7) / 8; }

void map_run(const MapCall& call, const float* x, float* y, std::int64_t n) { HWY_DYNAMIC_DISPATCH(MapF32)(call, x, y, n, nullptr); }
void map_run(const MapCall& call, const double* x, double* y, std::int64_t n) { HWY_DYNAMIC_DISPATCH(MapF64)(call, x, y, n, nullptr); }

void map(const MapCall& call, const Tensor& x, const Tensor& y, const Tensor& bits) {
  const bool wants_bits = bits.defined() && saves(call.map) == Saves::bits;
  WEFT_CHECK(!wants_bits || (x.is_contiguous() && y.is_contiguous() && bits.element_count() >= bit_bytes(x)));
  for_spans({&x, &y}, [&](std::int64_t tile, std::int64_t first, std::int64_t n) {
    std::uint8_t* const kept = wants_bits ? bits.data<std::uint8_t>() + first / 8 : nullptr;
    if (x.dtype() == Dtype::f64) HWY_DYNAMIC_DISPATCH(MapF64)(call, at<double>(x, tile, first), at<double>(y, tile, first), n, kept);
    else HWY_DYNAMIC_DISPATCH(MapF32)(call, at<float>(x, tile, first), at<float>(y, tile, first), n, kept);
  });
}

void map_grad(const MapCall& call, const Tensor& saved, const Tensor& dy, const Tensor& dx) {
  const Saves kind = saves(call.map);
  WEFT_CHECK(kind != Saves::bits || dy.is_contiguous());
  const Tensor& model = kind == Saves::nothing || kind == Saves::bits ? dy : saved;
  const auto width = static_cast<std::int64_t>(size_of(dy.dtype()));
  for_spans({&dy, &dx, &model}, [&](std::int64_t tile, std::int64_t first, std::int64_t n) {
    const void* s = nullptr;
    if (kind == Saves::bits) s = saved.data<std::uint8_t>() + first / 8;
    else if (kind != Saves::nothing) s = saved.bytes() + (tile * saved.tile_stride() + first) * width;
    if (dy.dtype() == Dtype::f64) HWY_DYNAMIC_DISPATCH(MapGradF64)(call, s, at<double>(dy, tile, first), at<double>(dx, tile, first), n);
    else HWY_DYNAMIC_DISPATCH(MapGradF32)(call, s, at<float>(dy, tile, first), at<float>(dx, tile, first), n);
  });
}

}  // namespace weft::kernels
#endif  // HWY_ONCE
