#pragma once

#include <cstdint>
#include <string_view>

#include <weft/core/tensor.hpp>

namespace weft::kernels {

/// What a draw is named by, beside its row and global column.
struct DropoutKey {
  std::uint64_t seed, step;
  std::string_view path;
};

/// keep (u8) is 1 with probability 1 - p, else 0; y = x·keep/(1-p). A draw depends on the key, the row and the global column
/// alone, whatever the tiling. x may be a row view.
void dropout(const Tensor& x, double p, const DropoutKey& key, const Tensor& keep, const Tensor& y);
/// dx = dy·keep/(1-p).
void dropout_grad(const Tensor& keep, double p, const Tensor& dy, const Tensor& dx);

}  // namespace weft::kernels
