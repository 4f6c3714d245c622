#include <weft/layers/optim/adam.hpp>

#include <cmath>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>
#include <weft/kernels/optimizers.hpp>

namespace weft {

Adam::Adam(ParamStore& params, AdamOptions options) : Adam(params, options, Decay::in_gradient) {}

Adam::Adam(ParamStore& params, AdamOptions options, Decay decay)
    : Optimizer(params, {"exp_avg", "exp_avg_sq"}), options_(options), decay_(decay) {
  const auto share = [](double beta) { return beta >= 0 && beta < 1; };
  if (!share(options.beta1) || !share(options.beta2) || !(options.eps > 0) || !(options.weight_decay >= 0))
    throw ConfigError(
        {.op = "adam",
         .what = cat("beta1 ", options.beta1, ", beta2 ", options.beta2, ", eps ", options.eps, ", weight_decay ", options.weight_decay),
         .hint = "the betas lie in [0, 1), eps is positive, weight_decay not negative"});
}

void Adam::update(const Piece& piece, double lr, std::int64_t t) const {
  const double decay = piece.decay ? options_.weight_decay : 0;
  const kernels::AdamCall call{.lr = lr,
                               .beta1 = options_.beta1,
                               .beta2 = options_.beta2,
                               .eps = options_.eps,
                               .weight_decay = decay_ == Decay::in_gradient ? decay : 0,
                               .shrink = decay_ == Decay::apart ? 1 - lr * decay : 1,
                               .correction1 = 1 - std::pow(options_.beta1, static_cast<double>(t)),
                               .correction2 = 1 - std::pow(options_.beta2, static_cast<double>(t))};
  by_float(values().dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::adam(call, piece.count, gradients().data<T>() + piece.first, state_arena(0).data<T>() + piece.first,
                  state_arena(1).data<T>() + piece.first, values().data<T>() + piece.first);
  });
}

}  // namespace weft
