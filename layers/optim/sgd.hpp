#pragma once

#include <weft/layers/optim/optimizer.hpp>

namespace weft {

struct SgdOptions {
  double momentum = 0, weight_decay = 0;
  bool nesterov = false;
};

/// g += weight_decay·θ; v = momentum·v + g (v = g at the first step); θ −= lr·(nesterov ? g + momentum·v : v), as PyTorch.
/// Throws ConfigError for a negative option or nesterov without momentum.
class Sgd : public Optimizer {
 public:
  explicit Sgd(ParamStore& params, SgdOptions options = {});

 protected:
  void update(const Piece& piece, double lr, std::int64_t t) const override;

 private:
  SgdOptions options_;
};

}  // namespace weft
