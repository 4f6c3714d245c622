#pragma once

#include <array>

namespace weft::bench {

/// The three products of a layer: Y = S·X, dX = Sᵀ·dY, dθ = dY·Xᵀ on the pattern. Each costs 2·nnz·N FLOPs.
enum class Pass { forward, data, weights };
inline constexpr std::array<Pass, 3> kPasses{Pass::forward, Pass::data, Pass::weights};

constexpr const char* name_of(Pass pass) {
  switch (pass) {
    case Pass::forward: return "forward";
    case Pass::data: return "data";
    case Pass::weights: return "weights";
  }
  return "?";
}

}  // namespace weft::bench
