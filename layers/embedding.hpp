#pragma once

#include <cstdint>
#include <vector>

#include <weft/layers/layer_call.hpp>
#include <weft/layers/pattern_weight.hpp>

namespace weft {

struct EmbeddingOptions {
  Initialiser init = initialise::normal(1);  ///< PyTorch's
};

/// A vector for each id. Derivation: with a matrix S [V, d] whose row v is the vector of id v and one-hot columns E (a one at row id[n] of
/// column n), Y = Sᵀ·E picks row id[n] of S; E is never stored. A softmax over the vocabulary multiplies by S itself: give table() to a
/// Linear, and both train one parameter.
///
/// Shapes: ids i32 [lead…, 1, N] -> [lead…, d, N]. Checkpoint: weight [V, d]; with a pattern values [slots, br, bc] and its indices.
/// The native form gathers rows of a dense table and scatter-adds their gradient; the untied form is the same unless the pattern ties.
/// Gradient: what arrives at an id is added by leading row, then by column. Cost of a step: one pass that clears the gradient of the
/// whole table, which a tied softmax saves; beyond that only rows of ids that occur.
/// Throws ShapeError for ids without a last axis of 1, UsageError for ids that are not i32 or not in [0, V).
class Embedding {
 public:
  Embedding(const Scope& s, std::int64_t vocabulary, std::int64_t dim, EmbeddingOptions options = {});
  /// Any pattern [V, d].
  Embedding(const Scope& s, PatternPtr pattern, EmbeddingOptions options = {});

  Var operator()(Var ids) const;

  std::int64_t vocabulary() const { return table_.pattern()->rows(); }
  std::int64_t dim() const { return table_.pattern()->cols(); }
  const PatternPtr& pattern() const { return table_.pattern(); }
  /// S, row-major.
  std::vector<double> to_dense() const { return table_.to_dense(); }
  double dense_fraction() const { return table_.dense_fraction(); }
  const ParamPtr& weight() const { return table_.weight(); }
  /// The matrix, for a layer that shares it: Linear(s / "softmax", embedding.table()).
  const PatternWeight& table() const { return table_; }

 private:
  PatternWeight table_;
};

}  // namespace weft
