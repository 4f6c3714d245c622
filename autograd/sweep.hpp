#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <weft/autograd/var.hpp>
#include <weft/core/sparse_pattern.hpp>
#include <weft/core/tensor.hpp>
#include <weft/kernels/cells.hpp>

namespace weft {

using kernels::Cell;

/// A recurrence as a matrix, planned once: h = cell(W_ih·x + bias, tied_kron(links, W_hh)·h), solved row by row since `links` is strictly
/// lower triangular. The state that a sequence begins with is the value of the first carried() columns of links.
class Recurrence {
 public:
  /// `links`: scalars, steps x (carried + steps), its slots the kinds of links; `ih`: [gates·units, channels]; `hh`: [gates·units, units].
  /// Throws ShapeError if links are not strictly lower triangular by their keys, or the patterns do not fit each other and the cell.
  Recurrence(Cell cell, PatternPtr links, PatternPtr ih, PatternPtr hh);

  Cell cell() const { return cell_; }
  const PatternPtr& links() const { return links_; }
  const PatternPtr& ih() const { return ih_; }
  const PatternPtr& hh() const { return hh_; }
  std::int64_t steps() const { return links_->rows(); }
  std::int64_t carried() const { return links_->cols() - links_->rows(); }
  std::int64_t kinds() const { return links_->slots(); }
  std::int64_t units() const { return hh_->cols(); }
  std::int64_t channels() const { return ih_->cols(); }
  /// Plain elements of the bias: gates·units, and units more for gru.
  std::int64_t bias_size() const { return ih_->rows() + (cell_ == Cell::gru ? units() : 0); }
  /// The longest chain of steps that wait for each other.
  std::int64_t levels() const;
  /// The recurrent matrix: tied_kron(links, hh), strictly lower triangular.
  PatternPtr matrix() const;

 private:
  friend class SweepRun;

  Cell cell_;
  PatternPtr links_, ih_, hh_;
  bool apart_;         // the cell wants each predecessor's hidden part for itself
  PatternPtr hidden_;  // of all hidden parts: rows are steps, or links where they are apart
};

/// The last carried() steps of h (and c for lstm), [carried·units, N] each; undefined: zeros.
struct SweepState {
  Tensor h, c;
};

struct SweepOptions {
  /// Steps whose input part is multiplied at once. The bits do not depend on it.
  int chunk = 16;
};

/// The states of all steps, [steps, units, N], of x [steps, channels, N]. `ih`: values of ih(); `hh`: values of hh(), kind after kind;
/// `bias`: plain [bias_size()] or undefined. `state` is what the sequence begins with, and afterwards what the next one does: a copy that
/// no gradient passes. Backward is the transposed sweep and one tied weight gradient over all steps.
/// Throws ShapeError where these do not fit.
Var sweep(const Recurrence& r, Var ih, Var hh, Var bias, Var x, SweepState& state, SweepOptions options = {});

}  // namespace weft
