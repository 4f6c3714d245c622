#pragma once

#include <cstdint>

#include <weft/core/tensor.hpp>

namespace weft::kernels {

/// The elementwise maps.
enum class Map : std::uint8_t { identity, relu, leaky_relu, gelu, silu, tanh, sigmoid, exp, log, sqrt, abs, clamp };

/// A map with its constants: the slope of leaky_relu in a; the bounds of clamp in a and b.
struct MapCall {
  Map map = Map::identity;
  double a = 0, b = 0;
  bool operator==(const MapCall&) const = default;
};

/// What the derivative of a map is computed from.
enum class Saves { nothing, bits, output, input };
Saves saves(Map map);
const char* name_of(Map map);

/// Bytes of the bits that relu and leaky_relu save: one bit an element of the storage, bit e set where x > 0.
std::int64_t bit_bytes(const Tensor& x);

/// y = f(x), element by element over contiguous storage, padding included. `bits` (u8, bit_bytes long) is written for maps that save bits.
/// gelu is x·Φ(x) with erf; silu is x·sigmoid(x). x and y may be the same tensor.
void map(const MapCall& call, const Tensor& x, const Tensor& y, const Tensor& bits);
/// dx = dy · f'(·), from what saves(call.map) names: the bits, the output or the input.
void map_grad(const MapCall& call, const Tensor& saved, const Tensor& dy, const Tensor& dx);
/// y = f(x) over n elements, for kernels that apply a map to what they hold in cache.
void map_run(const MapCall& call, const float* x, float* y, std::int64_t n);
void map_run(const MapCall& call, const double* x, double* y, std::int64_t n);

}  // namespace weft::kernels
