#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <weft/autograd/tape.hpp>
#include <weft/core/sparse_pattern.hpp>
#include <weft/layers/initialise.hpp>
#include <weft/layers/scope.hpp>

namespace weft {

/// Where the elements of a weight in the field's shape lie in storage.
struct FieldMap {
  Shape shape;              ///< in the field, e.g. [out, in, kh, kw]
  std::int64_t stored = 0;  ///< elements in storage, padding included
  /// Storage offset of field element i (row-major); negative for an entry that is not stored (masked, beyond a ragged edge).
  std::function<std::int64_t(std::int64_t i)> at;

  Tensor to_field(const Tensor& values) const;
  /// Storage filled from field elements; padding and entries that are not stored are zero.
  Tensor from_field(const Tensor& field) const;
};

/// The field map of a pattern's values as they are: [slots, height, width] (diagonal [slots, n], identity [slots, 1]).
FieldMap values_map(const PatternPtr& pattern);

/// Everything that rebuilds a pattern from a file, as arrays `prefix.row_ptr`, `.col`, `.tie`, `.shape` and, where blocks are
/// partly filled, `.mask`.
State pattern_state(const SparsePattern& pattern, const std::string& prefix);
/// The pattern that pattern_state() described. Throws UsageError naming what is missing, ShapeError if the arrays do not fit.
PatternPtr pattern_from_state(const State& state, const std::string& prefix);

/// The weight and bias of one linear layer in the form of its scope.
class PatternWeight {
 public:
  struct Spec {
    PatternPtr pattern;       ///< as the architecture ties it
    FieldMap field;           ///< of the pattern's values in the field's shape
    FieldMap native;          ///< of the conventional layout, for Form::native
    bool plain_field = true;  ///< false: the field is values_map, saved together with the pattern
    Fans fans;
    Initialiser init;
    std::int64_t bias = 0;  ///< length of the bias; 0 for none
  };

  /// Draws the weight in field order and registers "weight" and "bias". Throws ConfigError for a native layer without a plain field.
  PatternWeight(const Scope& s, std::string kind, Spec spec);

  Form form() const { return form_; }
  const std::string& path() const { return path_; }
  const std::string& kind() const { return kind_; }
  /// The matrix of the layer: untied in the untied form.
  const PatternPtr& pattern() const { return pattern_; }
  const ParamPtr& weight() const { return weight_; }
  const ParamPtr& bias() const { return bias_; }
  /// Row-major rows x cols, in double, whatever the form.
  std::vector<double> to_dense() const;
  /// nnz / (rows·cols).
  double dense_fraction() const { return pattern_->density(); }

  /// The parameters on a tape; an undefined Var for no bias.
  Var weight_on(Tape& tape) const { return tape.param(weight_); }
  Var bias_on(Tape& tape) const { return bias_ ? tape.param(bias_) : Var(); }
  std::vector<ParamPtr> parameters() const;

 private:
  Form form_;
  std::string path_, kind_;
  PatternPtr pattern_;
  FieldMap field_;  // of pattern_
  ParamPtr weight_, bias_;
};

}  // namespace weft
