#pragma once

#include <cstdint>
#include <string>

#include <weft/autograd/ops.hpp>
#include <weft/layers/layer_call.hpp>
#include <weft/layers/scope.hpp>

namespace weft {

struct BatchNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;  ///< share of a batch's statistics that enters the running ones
};

/// Per channel over positions and samples: γ·(x − mean)/sqrt(variance + eps) + β. Training uses the batch's statistics and
/// updates the running ones; evaluation uses those. Parameters weight, bias [c]; buffers running_mean, running_var [c].
/// Throws ShapeError if x's last row axis is not the number of channels.
class BatchNorm {
 public:
  BatchNorm(const Scope& s, std::int64_t channels, BatchNormOptions options = {});
  BatchNorm(const Scope& s, Lattice in, BatchNormOptions options = {}) : BatchNorm(s, in.c, options) {}

  Var operator()(Var x) const;

  const ParamPtr& weight() const { return weight_; }
  const ParamPtr& bias() const { return bias_; }
  const BatchStatistics& running() const { return running_; }

 private:
  std::string path_;
  double eps_;
  ParamPtr weight_, bias_;
  BatchStatistics running_;
};

/// Over the last row axis of each column: γ·(x − mean)/sqrt(variance + eps) + β. Parameters weight, bias [d].
/// Throws ShapeError if x's last row axis is not d.
class LayerNorm {
 public:
  LayerNorm(const Scope& s, std::int64_t d, double eps = 1e-5);

  Var operator()(Var x) const;

  const ParamPtr& weight() const { return weight_; }
  const ParamPtr& bias() const { return bias_; }

 private:
  std::string path_;
  double eps_;
  ParamPtr weight_, bias_;
};

}  // namespace weft
