#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <weft/autograd/sweep.hpp>
#include <weft/layers/parameter_store.hpp>
#include <weft/layers/scope.hpp>

namespace weft {

/// What the streams (columns) of a batch go on with in the next: the state of each layer, a copy that no gradient passes. `state = {}`
/// begins anew; a copy sets it aside, since nothing writes into a state's tensors.
struct RecurrentState {
  std::vector<SweepState> layers;

  /// Plain arrays for a checkpoint: "h_l0" [carried, units, N], "c_l0" where there is one, "h_l1", …
  State arrays() const;
  /// The state that arrays() wrote, for batches of these columns. Throws ShapeError for another number of streams, UsageError for a
  /// missing layer.
  static RecurrentState from_arrays(const State& arrays, const ColumnsPtr& columns);
};

struct RecurrentOptions {
  int layers = 1;
  double dropout = 0;          ///< in training, of each layer's output but the last's
  bool bidirectional = false;  ///< each layer also runs under reversed time keys; its outputs follow the forward ones
  bool bias = true;
  double density = 1;  ///< share of the block x block blocks of W_ih and W_hh that are stored, chosen at random
  int block = 16;      ///< block side where density < 1
  /// The pattern of a W_ih or W_hh of so many rows and columns; none: dense, or of .density.
  std::function<PatternPtr(std::int64_t rows, std::int64_t cols)> matrix{};
};

/// A stack of recurrences over the steps of `links`, a rule for the longest sequence: a shorter one takes its leading part. Step t of a
/// layer is h_t = cell(W_ih·x_t + b_ih, W_hh·h_s + b_hh for each link t <- s): one linear system per layer whose matrix,
/// tied_kron(links, W_hh), is strictly lower triangular, so it is solved step by step (autograd/sweep.hpp, kernels/cells.hpp). On
/// patterns::dilated(T, 1) rnn, gru and lstm are torch.nn's; skips, dilations and trees are other links. Time reversed is the same matrix
/// under reversed keys: reverse the steps (of a shorter column its active ones), sweep, reverse.
///
/// Shapes: [steps, in, N] -> [steps, hidden, N], or [steps, 2·hidden, N] for both directions. Columns with lengths end there: then
/// outputs are 0. Checkpoint, as torch.nn: weight_ih_l0 [G·hidden, in], weight_hh_l0 [G·hidden, hidden] ([kinds, G·hidden, hidden] for
/// links of several kinds), bias_ih_l0, bias_hh_l0 [G·hidden], then _l0_reverse, _l1, …; gates r, z, n (gru) and i, f, g, o (lstm). With
/// another pattern or density < 1 weight_ih_l0.values [slots, br, bc] and the pattern's indices. All are drawn from U(±1/sqrt(hidden)).
/// Untied form: W_ih, W_hh and biases of each step and link are their own.
/// Throws ShapeError for x of other channels or more steps, ConfigError for sparse weights in the native form.
class Recurrent {
 public:
  enum class Direction { forward, reverse };

  Recurrent(const Scope& s, Cell cell, PatternPtr links, std::int64_t in, std::int64_t hidden, RecurrentOptions options = {});

  /// Every sequence begins with zeros.
  Var operator()(Var x) const;
  /// Truncated back-propagation: sequences go on from `state`, which becomes theirs at the end. Throws UsageError for links that carry
  /// nothing or both directions, ShapeError for a state of other streams.
  Var operator()(Var x, RecurrentState& state) const;

  std::int64_t in() const { return in_; }
  /// Channels of the output.
  std::int64_t out() const;
  std::int64_t steps() const;
  /// The recurrent matrix of a layer, strictly lower triangular.
  const PatternPtr& pattern(int layer = 0, Direction direction = Direction::forward) const;
  double dense_fraction() const { return pattern()->density(); }

 private:
  class Layer;

  Var run(Var x, RecurrentState& state) const;

  std::string path_;
  std::int64_t in_;
  double dropout_;
  std::vector<std::vector<std::shared_ptr<const Layer>>> layers_;  // of each layer its directions
};

/// Elman's recurrence: h = tanh(W_ih·x + b_ih + Σ (W_hh·h_s + b_hh)); Cell::relu and Cell::linear in tanh's place.
class Rnn : public Recurrent {
 public:
  Rnn(const Scope& s, PatternPtr links, std::int64_t in, std::int64_t hidden, RecurrentOptions options = {}, Cell cell = Cell::tanh);
};

/// Gated recurrent units: Cho et al. 2014, arXiv 1406.1078, the candidate as in torch.nn.GRU.
class Gru : public Recurrent {
 public:
  Gru(const Scope& s, PatternPtr links, std::int64_t in, std::int64_t hidden, RecurrentOptions options = {})
      : Recurrent(s, Cell::gru, std::move(links), in, hidden, std::move(options)) {}
};

/// Long short-term memory: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000, one for each link (Tai et al. 2015,
/// arXiv 1503.00075, where links are trees).
class Lstm : public Recurrent {
 public:
  Lstm(const Scope& s, PatternPtr links, std::int64_t in, std::int64_t hidden, RecurrentOptions options = {})
      : Recurrent(s, Cell::lstm, std::move(links), in, hidden, std::move(options)) {}
};

}  // namespace weft
