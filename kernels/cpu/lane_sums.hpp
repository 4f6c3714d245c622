#pragma once

#include <cstdint>

#include <weft/kernels/cpu/sum_of_16.hpp>
#include <weft/kernels/kernel_table.hpp>

namespace weft::kernels {

/// dbias[i] = Σ of dy over columns and the rows that share bias i: for products whose weight gradient does not yield it on the way.
template <class T>
void bias_gradient(const SddmmCall& call) {
  const std::int64_t length = call.dbias.row_count(), rows = call.dy.row_count(), lanes = call.dy.columns()->lanes;
  for (std::int64_t i = 0; i < length; ++i) {
    T lane_sums[16] = {};
    for (std::int64_t tile = 0; tile < call.dy.columns()->tiles(); ++tile)
      for (std::int64_t row = i; row < rows; row += length)
        for (std::int64_t lane = 0; lane < lanes; ++lane)
          lane_sums[lane] += call.dy.data<T>()[tile * call.dy.tile_stride() + row * lanes + lane];
    call.dbias.data<T>()[i] = sum_of_16(lane_sums);
  }
}

}  // namespace weft::kernels
