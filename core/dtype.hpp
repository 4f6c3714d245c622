#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace weft {

/// Element types: bytes and indices for data, f32 to train, f64 to check.
enum class Dtype : std::uint8_t { u8, i32, f32, f64 };

constexpr std::size_t size_of(Dtype t) {
  switch (t) {
    case Dtype::u8: return 1;
    case Dtype::i32:
    case Dtype::f32: return 4;
    case Dtype::f64: return 8;
  }
  return 0;
}

constexpr const char* name_of(Dtype t) {
  switch (t) {
    case Dtype::u8: return "u8";
    case Dtype::i32: return "i32";
    case Dtype::f32: return "f32";
    case Dtype::f64: return "f64";
  }
  return "?";
}

template <class T>
constexpr Dtype dtype_of() {
  if constexpr (std::is_same_v<T, std::uint8_t>) return Dtype::u8;
  else if constexpr (std::is_same_v<T, std::int32_t>) return Dtype::i32;
  else if constexpr (std::is_same_v<T, float>) return Dtype::f32;
  else {
    static_assert(std::is_same_v<T, double>, "weft tensors hold u8, i32, f32 or f64");
    return Dtype::f64;
  }
}

/// Calls `f` with a value of the C++ type of a floating `t`: `by_float(t, [&](auto zero) { using T = decltype(zero); … })`.
template <class F>
decltype(auto) by_float(Dtype t, F&& f) {
  return t == Dtype::f64 ? f(double{}) : f(float{});
}

}  // namespace weft
