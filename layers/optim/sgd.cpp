#include <weft/layers/optim/sgd.hpp>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>
#include <weft/kernels/optimizers.hpp>

namespace weft {

Sgd::Sgd(ParamStore& params, SgdOptions options)
    : Optimizer(params, options.momentum != 0 ? std::vector<std::string>{"momentum"} : std::vector<std::string>{}), options_(options) {
  if (!(options.momentum >= 0 && options.momentum < 1) || !(options.weight_decay >= 0))
    throw ConfigError({.op = "sgd",
                       .what = cat("momentum ", options.momentum, ", weight_decay ", options.weight_decay),
                       .hint = "momentum lies in [0, 1), weight_decay is not negative"});
  if (options.nesterov && options.momentum == 0)
    throw ConfigError({.op = "sgd", .what = "nesterov with momentum 0", .hint = "give a momentum, e.g. 0.9"});
}

void Sgd::update(const Piece& piece, double lr, std::int64_t) const {
  const kernels::SgdCall call{
      .lr = lr, .momentum = options_.momentum, .weight_decay = piece.decay ? options_.weight_decay : 0, .nesterov = options_.nesterov};
  by_float(values().dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* velocity = options_.momentum != 0 ? state_arena(0).data<T>() + piece.first : nullptr;
    kernels::sgd(call, piece.count, gradients().data<T>() + piece.first, velocity, values().data<T>() + piece.first);
  });
}

}  // namespace weft
