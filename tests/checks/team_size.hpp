#pragma once

#include <omp.h>

#include <weft/core/parallel.hpp>

namespace weft::checks {

/// Threads that a parallel region of this process really gets.
inline int team_size() {
  int seen = 0;
#pragma omp parallel num_threads(threads())
  {
#pragma omp single
    seen = omp_get_num_threads();
  }
  return seen;
}

}  // namespace weft::checks
