#pragma once

#include <vector>

#include <weft/core/by_count.hpp>
#include <weft/core/patterns.hpp>
#include <weft/layers/layer_call.hpp>
#include <weft/layers/pattern_weight.hpp>

namespace weft {

struct ConvOptions {
  int kernel = 3, stride = 1, pad = 0, dilation = 1, groups = 1;
  bool bias = true;
  double density = 1;  ///< share of the block x block sub-blocks of a tap that are stored, the same at every pixel
  int block = 16;      ///< sub-block side where density < 1
  Initialiser init = initialise::torch_default();

  patterns::Conv2dOptions pattern() const { return {kernel, stride, pad, dilation, groups}; }
};

/// Convolution as a sparse matrix. Derivation: with rows indexed (output pixel p, channel o) and columns (input pixel q,
/// channel i), y[p,o] = Σ_t Σ_i w[o,i,t]·x[p·stride − pad + t·dilation, i] says that block (p, q) of S is w[·,·,t] where
/// q = p·stride − pad + t·dilation for a tap t, and is not stored elsewhere: one C_out×C_in block per tap, tied over p.
/// Taps point right and down from the top-left one, so every stored q is at or after p's top-left tap on the padded
/// lattice: S is upper block triangular in that ordering.
///
/// Shapes: [h, w, c_in, N] -> [h', w', c_out, N]. Checkpoint: weight [c_out, c_in/groups, kernel, kernel], bias [c_out].
/// Untied form: every block has its own values (a locally connected layer). Throws ShapeError as patterns::conv2d and if
/// x does not have in.size() rows, ConfigError for density < 1 in the native form.
class Conv2d {
 public:
  Conv2d(const Scope& s, Lattice in, int c_out, ConvOptions options = {});

  Var operator()(Var x) const;

  const Lattice& in() const { return in_; }
  const Lattice& out() const { return out_; }
  const PatternPtr& pattern() const { return weight_.pattern(); }
  std::vector<double> to_dense() const { return weight_.to_dense(); }
  double dense_fraction() const { return weight_.dense_fraction(); }
  const ParamPtr& weight() const { return weight_.weight(); }
  const ParamPtr& bias() const { return weight_.bias(); }

 private:
  Lattice in_, out_;
  patterns::Conv2dOptions options_;
  PatternWeight weight_;
};

struct SeriesConvOptions {
  int kernel = 3, stride = 1, pad = 0, dilation = 1, groups = 1;
  bool causal = false;  ///< output step t sees no input step after t·stride; pads its left side itself
  bool bias = true;
  double density = 1;
  int block = 16;
  Initialiser init = initialise::torch_default();

  patterns::Conv1dOptions pattern() const { return {kernel, stride, pad, dilation, groups, causal}; }
};

/// Convolution over time, by the derivation above with steps for pixels. Upper block triangular by the first tap of an output; a causal one
/// is lower block triangular by the last, for what an output sees ends there: a shorter series takes the leading part of its matrix.
/// Shapes: [T, c_in, N] -> [T', c_out, N] with T = length, or 1 to length where causal. Checkpoint: weight [c_out, c_in/groups, kernel],
/// bias [c_out]. Throws as Conv2d.
class Conv1d {
 public:
  Conv1d(const Scope& s, int length, int c_in, int c_out, SeriesConvOptions options = {});

  Var operator()(Var x) const;

  /// Steps and channels of the output.
  int out_length() const { return out_.h; }
  int out_channels() const { return out_.c; }
  const PatternPtr& pattern() const { return weight_.pattern(); }
  std::vector<double> to_dense() const { return weight_.to_dense(); }
  double dense_fraction() const { return weight_.dense_fraction(); }
  const ParamPtr& weight() const { return weight_.weight(); }
  const ParamPtr& bias() const { return weight_.bias(); }

 private:
  int steps_of(Var x) const;

  Lattice in_, out_;  // one pixel wide
  patterns::Conv1dOptions options_;
  PatternWeight weight_;
  ByCount<PatternPtr> by_steps_;  // the leading parts of the matrix
};

struct ConvTransposeOptions {
  int kernel = 3, stride = 1, pad = 0, dilation = 1, groups = 1, output_pad = 0;
  bool bias = true;
  double density = 1;
  int block = 16;
  Initialiser init = initialise::torch_default();

  patterns::Conv2dOptions pattern() const { return {kernel, stride, pad, dilation, groups}; }
};

/// Transposed convolution: the transpose of the matrix of a convolution from `out` to `in`, so lower block triangular.
/// Shapes: [h, w, c_in, N] -> [h', w', c_out, N] with h' = (h−1)·stride − 2·pad + dilation·(kernel−1) + 1 + output_pad.
/// Checkpoint: weight [c_in, c_out/groups, kernel, kernel], bias [c_out]. Throws as Conv2d.
class ConvTranspose2d {
 public:
  ConvTranspose2d(const Scope& s, Lattice in, int c_out, ConvTransposeOptions options = {});

  Var operator()(Var x) const;

  const Lattice& in() const { return in_; }
  const Lattice& out() const { return out_; }
  const PatternPtr& pattern() const { return weight_.pattern(); }
  std::vector<double> to_dense() const { return weight_.to_dense(); }
  double dense_fraction() const { return weight_.dense_fraction(); }
  const ParamPtr& weight() const { return weight_.weight(); }
  const ParamPtr& bias() const { return weight_.bias(); }

 private:
  Lattice in_, out_;
  patterns::Conv2dOptions options_;
  int output_pad_;
  PatternWeight weight_;
};

}  // namespace weft
