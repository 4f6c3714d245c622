#pragma once

#include <cstdint>
#include <vector>

#include <omp.h>

namespace weft {

/// Threads that kernels use: the cores by default, exactly `n` after set_threads(n). Results do not depend on it.
int threads();
/// Throws ConfigError unless n is in [1, 1024].
void set_threads(int n);

/// Calls f(i) for i in [0, n), statically divided among the threads. Each i must write its own outputs.
template <class F>
void parallel_for(std::int64_t n, F&& f) {
  if (n <= 1 || threads() == 1) {
    for (std::int64_t i = 0; i < n; ++i) f(i);
    return;
  }
#pragma omp parallel for schedule(static) num_threads(threads())
  for (std::int64_t i = 0; i < n; ++i) f(i);
}

/// Contiguous ranges of [0, n) with about equal cost, where `ptr` is a running total of length n + 1. Returns parts + 1 bounds.
std::vector<std::int64_t> balanced_ranges(const std::vector<std::int64_t>& ptr, std::int64_t parts);

}  // namespace weft
