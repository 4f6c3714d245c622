#pragma once

#include <cstdint>
#include <vector>

namespace weft::bench {

/// Fills `n` floats with values of either sign and magnitude 0.25 to 1: no zero, no denormal, no sum that overflows.
inline void fill_noise(float* at, std::int64_t n) {
  std::uint32_t state = 12345;
  for (std::int64_t i = 0; i < n; ++i) {
    state = state * 1664525U + 1013904223U;
    const float magnitude = 0.25F + 0.75F * static_cast<float>(state >> 9) / static_cast<float>(1U << 23);
    at[i] = (state & 0x100U) != 0 ? magnitude : -magnitude;
  }
}

inline std::vector<float> noise(std::int64_t n) {
  std::vector<float> values(static_cast<std::size_t>(n));
  fill_noise(values.data(), n);
  return values;
}

}  // namespace weft::bench
