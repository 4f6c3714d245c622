#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <weft/autograd/var.hpp>
#include <weft/core/by_count.hpp>
#include <weft/core/sparse_pattern.hpp>
#include <weft/core/tensor.hpp>
#include <weft/kernels/cells.hpp>

namespace weft {

using kernels::Cell;

/// Whose the weights of a recurrence are: one W_ih and bias for all steps and one W_hh for each kind of link, or own ones for every step
/// and every link.
enum class Weights { shared, own };

/// A recurrence as a matrix, planned once: h = cell(W_ih·x + bias, tied_kron(links, W_hh)·h), solved row by row since `links` is strictly
/// lower triangular. The state that a sequence begins with is the value of the first carried() columns of links.
class Recurrence {
 public:
  /// `links`: scalars, steps x (carried + steps), its slots the kinds of links; `ih`: [gates·units, channels]; `hh`: [gates·units, units].
  /// Throws ShapeError if links are not strictly lower triangular by their keys, or the patterns do not fit each other and the cell.
  Recurrence(Cell cell, PatternPtr links, PatternPtr ih, PatternPtr hh, Weights weights = Weights::shared);

  Cell cell() const { return cell_; }
  Weights weights() const { return weights_; }
  /// Every link of a kind of its own where weights are.
  const PatternPtr& links() const { return links_; }
  /// Of one step, of one link.
  const PatternPtr& ih() const { return ih_; }
  const PatternPtr& hh() const { return hh_; }
  std::int64_t steps() const { return links_->rows(); }
  std::int64_t carried() const { return links_->cols() - links_->rows(); }
  std::int64_t kinds() const { return links_->slots(); }
  std::int64_t units() const { return hh_->cols(); }
  std::int64_t channels() const { return ih_->cols(); }
  /// Sets of W_ih and bias: 1, or one a step.
  std::int64_t sets() const { return weights_ == Weights::own ? steps() : 1; }
  /// Plain elements of the weights: set after set, kind after kind. The bias is [sets, gates·units], and for gru then [sets, units].
  std::int64_t ih_size() const { return sets() * ih_->values_size(); }
  std::int64_t hh_size() const { return kinds() * hh_->values_size(); }
  std::int64_t bias_size() const { return sets() * (ih_->rows() + (cell_ == Cell::gru ? units() : 0)); }
  /// The longest chain of steps that wait for each other.
  std::int64_t levels() const;
  /// The recurrent matrix: tied_kron(links, hh), strictly lower triangular.
  PatternPtr matrix() const;
  /// The matrix of the input parts of so many steps: W_ih along the diagonal.
  PatternPtr inputs(std::int64_t steps) const { return inputs_.of(steps); }

 private:
  friend class SweepRun;

  Cell cell_;
  Weights weights_;
  PatternPtr links_, ih_, hh_;
  ByCount<PatternPtr> inputs_;
  bool apart_;         // the cell wants each predecessor's hidden part for itself
  PatternPtr hidden_;  // of all hidden parts: rows are steps, or links where they are apart
};

/// What a stream goes on with: h (and c for lstm) of the last carried() steps of each column, [carried, units, N]; undefined: zeros.
struct SweepState {
  Tensor h, c;
};

struct SweepOptions {
  /// Steps whose input part is multiplied at once. The bits do not depend on it.
  int chunk = 16;
};

/// The states of all steps, [steps, units, N], of x [steps, channels, N]. `ih`, `hh`, `bias`: plain, ih_size(), hh_size() and bias_size()
/// long; the bias may be undefined. `state` is what the sequence begins with, and afterwards what the next one does: a copy that no
/// gradient passes. Columns with lengths end there: at inactive steps they output 0 and pass no gradient, and `state` is that of their last
/// active ones. Backward is the transposed sweep and one tied weight gradient over all steps. Throws ShapeError where these do not fit.
Var sweep(const Recurrence& r, Var ih, Var hh, Var bias, Var x, SweepState& state, SweepOptions options = {});

/// torch.nn's two biases, plain [sets·gates·units] each, as the one of sweep(): their sum, but of gru's candidate, where the hidden part's
/// is multiplied by the reset gate, each.
Var sweep_bias(const Recurrence& r, Var ih, Var hh);

}  // namespace weft
