#include <weft/autograd/ops.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

using kernels::Map;

Var relu(Var x) { return map_op(x, {Map::relu}); }
Var leaky_relu(Var x, double slope) { return map_op(x, {Map::leaky_relu, slope}); }
Var gelu(Var x) { return map_op(x, {Map::gelu}); }
Var silu(Var x) { return map_op(x, {Map::silu}); }
Var tanh(Var x) { return map_op(x, {Map::tanh}); }
Var sigmoid(Var x) { return map_op(x, {Map::sigmoid}); }
Var exp(Var x) { return map_op(x, {Map::exp}); }
Var log(Var x) { return map_op(x, {Map::log}); }
Var sqrt(Var x) { return map_op(x, {Map::sqrt}); }
Var abs(Var x) { return map_op(x, {Map::abs}); }

Var clamp(Var x, double lo, double hi) {
  if (!(lo <= hi))
    throw UsageError(
        {.op = "clamp", .path = x.tape().path(), .what = cat("bounds [", lo, ", ", hi, "] are empty"), .hint = "give lo <= hi"});
  return map_op(x, {Map::clamp, lo, hi});
}

}  // namespace weft
