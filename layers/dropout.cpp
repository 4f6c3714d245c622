#include <weft/layers/dropout.hpp>

#include <weft/autograd/ops.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

Dropout::Dropout(const Scope& s, double p) : path_(s.path()), p_(p) {
  if (!(p >= 0 && p < 1)) throw ConfigError({.op = "dropout", .path = path_, .what = cat("p = ", p, " is outside [0, 1)")});
}

Var Dropout::operator()(Var x) const {
  const LayerCall call(x.tape(), path_);
  return call.done(dropout(x, p_), [&] { return LayerInfo{path_, "dropout", nullptr, {}, 1}; });
}

}  // namespace weft
