#pragma once

#include <cstdint>
#include <vector>

#include <weft/autograd/ops.hpp>
#include <weft/core/by_count.hpp>
#include <weft/layers/layer_call.hpp>
#include <weft/layers/pattern_weight.hpp>

namespace weft {

struct LinearOptions {
  bool bias = true;
  double density = 1;  ///< share of the block x block blocks that are stored, chosen at random
  int block = 16;      ///< block side where density < 1
  Initialiser init = initialise::torch_default();
};

/// y = S(θ)·x + b on the last row axis, the same for every leading row ([T, in, N] -> [T, out, N] is I ⊗ S, tied).
/// A pattern makes it any linear map. Checkpoint: weight [out, in]; with a pattern or density < 1 values [slots, br, bc]
/// and the pattern's indices.
/// Throws ShapeError if x's last row axis is not `in`, ConfigError for a sparse pattern in the native form.
class Linear {
 public:
  Linear(const Scope& s, std::int64_t in, std::int64_t out, LinearOptions options = {});
  /// Any pattern; .density and .block are not used.
  Linear(const Scope& s, PatternPtr pattern, LinearOptions options = {});

  /// The matrix of another layer, and its form: a softmax that is tied to an embedding. Only .bias is used; it is this layer's own.
  Linear(const Scope& s, const PatternWeight& shared, LinearOptions options = {});

  Var operator()(Var x) const;

  /// cross_entropy((*this)(x), targets) for many outputs, without all of them at once (linear_cross_entropy). The native form, and one
  /// with label smoothing, computes them.
  Loss cross_entropy(Var x, const Tensor& targets, CrossEntropyOptions options = {}) const;

  std::int64_t in() const { return weight_.pattern()->cols(); }
  std::int64_t out() const { return weight_.pattern()->rows(); }
  const PatternPtr& pattern() const { return weight_.pattern(); }
  std::vector<double> to_dense() const { return weight_.to_dense(); }
  double dense_fraction() const { return weight_.dense_fraction(); }
  const ParamPtr& weight() const { return weight_.weight(); }
  const ParamPtr& bias() const { return weight_.bias(); }

 private:
  void require_input(Var x) const;

  PatternWeight weight_;
  ByCount<PatternPtr> repeats_;  // I ⊗ S for so many leading rows
};

}  // namespace weft
