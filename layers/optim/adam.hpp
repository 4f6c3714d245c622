#pragma once

#include <weft/layers/optim/optimizer.hpp>

namespace weft {

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
};

/// Kingma and Ba 2015, arXiv 1412.6980: m = β1·m + (1−β1)·g, v = β2·v + (1−β2)·g²,
/// θ −= lr·(m/(1−β1^t)) / (sqrt(v/(1−β2^t)) + eps). Weight decay enters g. Throws ConfigError for options out of range.
class Adam : public Optimizer {
 public:
  explicit Adam(ParamStore& params, AdamOptions options = {});

 protected:
  enum class Decay { in_gradient, apart };
  Adam(ParamStore& params, AdamOptions options, Decay decay);
  void update(const Piece& piece, double lr, std::int64_t t) const override;

 private:
  AdamOptions options_;
  Decay decay_;
};

/// Adam with weight decay apart from the gradient (Loshchilov and Hutter 2019, arXiv 1711.05101): θ *= 1 − lr·weight_decay first.
class AdamW : public Adam {
 public:
  explicit AdamW(ParamStore& params, AdamOptions options = {.weight_decay = 0.01}) : Adam(params, options, Decay::apart) {}
};

}  // namespace weft
