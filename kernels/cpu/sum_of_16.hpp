#pragma once

namespace weft::kernels {

/// Σ of 16 lane sums in one fixed tree: the same bits at any vector width.
template <class T>
T sum_of_16(const T* sums) {
  T s[8];
  for (int i = 0; i < 8; ++i) s[i] = sums[i] + sums[i + 8];
  for (int width = 4; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) s[i] += s[i + width];
  return s[0];
}

}  // namespace weft::kernels
