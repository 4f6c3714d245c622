#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <weft/autograd/tape.hpp>
#include <weft/core/sparse_pattern.hpp>
#include <weft/layers/field_map.hpp>
#include <weft/layers/initialise.hpp>
#include <weft/layers/layer_call.hpp>
#include <weft/layers/scope.hpp>

namespace weft {

/// Mean stored entries of a row and of a column.
Fans fans_of(const SparsePattern& pattern);

/// The weight and bias of one linear layer in the form of its scope.
class PatternWeight {
 public:
  struct Spec {
    PatternPtr pattern;          ///< as the architecture ties it
    FieldMap field;              ///< of the pattern's values in the field's shape; values_map(pattern) saves the pattern too
    FieldMap native;             ///< of the conventional layout; without `at`: there is none
    bool keeps_pattern = false;  ///< the field is values_map(pattern)
    Fans fans;
    Initialiser init;
    std::int64_t bias = 0;  ///< length of the bias; 0 for none

    // Of a layer that has several, and of one whose weight is repeated along its pattern:
    std::string suffix{};            ///< of the names: "_ih_l0" makes "weight_ih_l0" and "bias_ih_l0"
    PatternPtr kept{};               ///< what the field's values are the values of, where it keeps a pattern; null: `pattern`
    PatternPtr untied{};             ///< of the untied form, block for block `pattern`'s; null: patterns::untied(pattern)
    std::int64_t untied_biases = 1;  ///< biases in the untied form, one after another
  };

  /// Draws the weight in field order, registers "weight" and "bias". The untied form starts every block from its tied values. Arrays of a
  /// pattern are saved under the layer's path, or under the weight's where it has a suffix.
  /// Throws ConfigError in the native form for a layer that has none.
  PatternWeight(const Scope& s, std::string kind, Spec spec);

  /// A layer of its own that multiplies by the weight of another: registers its "bias" alone.
  PatternWeight(const Scope& s, std::string kind, const PatternWeight& shared, std::int64_t bias);

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
  LayerInfo info(std::int64_t repeats) const;

 private:
  void add_bias(const Scope& s, const std::string& name, std::int64_t length, std::int64_t count, Fans fans);

  Form form_;
  std::string path_, kind_;
  PatternPtr pattern_;
  FieldMap field_;  // of pattern_'s values, in the shape of weight_
  ParamPtr weight_, bias_;
};

}  // namespace weft
