#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <weft/core/patterns.hpp>
#include <weft/layers/layer_call.hpp>
#include <weft/layers/scope.hpp>

namespace weft {

/// The mean of kernel x kernel windows, padding counted: identity blocks with the constant 1/kernel². [h, w, c, N] -> [h', w', c, N].
/// Throws ShapeError as patterns::pool2d_out and if x does not have in.size() rows.
class AvgPool2d {
 public:
  AvgPool2d(const Scope& s, Lattice in, patterns::Pool2dOptions options = {});

  Var operator()(Var x) const;

  const Lattice& in() const { return in_; }
  const Lattice& out() const { return out_; }
  const PatternPtr& pattern() const { return pattern_; }
  std::vector<double> to_dense() const;
  double dense_fraction() const { return pattern_->density(); }

 private:
  std::string path_;
  Form form_;
  Lattice in_, out_;
  patterns::Pool2dOptions options_;
  PatternPtr pattern_;
  Tensor share_;  // 1/kernel²
};

/// The maximum of kernel x kernel windows; the first maximum takes the gradient. Not a matrix: it selects.
class MaxPool2d {
 public:
  MaxPool2d(const Scope& s, Lattice in, patterns::Pool2dOptions options = {});

  Var operator()(Var x) const;

  const Lattice& in() const { return in_; }
  const Lattice& out() const { return out_; }

 private:
  std::string path_;
  Lattice in_, out_;
  patterns::Pool2dOptions options_;
};

/// What is taken over time.
enum class Pooling : std::uint8_t { mean, max };

/// The mean or the largest value over the steps of each channel: [T, C, N] -> [C, N]. Steps beyond a column's length are not read; a column
/// of length 0 gives 0. No matrix: what is read differs by column.
class GlobalPool1d {
 public:
  explicit GlobalPool1d(const Scope& s, Pooling pooling = Pooling::mean) : path_(s.path()), pooling_(pooling) {}

  Var operator()(Var x) const;

 private:
  std::string path_;
  Pooling pooling_;
};

/// The mean over all positions: [h, w, c, N] -> [c, N], one block row of identity blocks with the constant 1/(h·w).
class GlobalPool {
 public:
  GlobalPool(const Scope& s, Lattice in);

  Var operator()(Var x) const;

  const Lattice& in() const { return in_; }
  Lattice out() const { return {1, 1, in_.c}; }
  const PatternPtr& pattern() const { return pattern_; }
  std::vector<double> to_dense() const;
  double dense_fraction() const { return pattern_->density(); }

 private:
  std::string path_;
  Form form_;
  Lattice in_;
  PatternPtr pattern_;
  Tensor share_;  // 1/(h·w)
};

}  // namespace weft
