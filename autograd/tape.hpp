#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <weft/autograd/parameter.hpp>
#include <weft/autograd/var.hpp>
#include <weft/core/storage.hpp>

namespace weft {

class Pending;

/// Gradients of one backward pass, apart from the tensors they belong to.
class Gradients {
 public:
  /// The gradient of a leaf; an undefined tensor if none reached it.
  Tensor of(Var leaf) const;
  /// The gradient of a parameter in its storage layout; undefined if none reached it.
  Tensor of(const ParamPtr& parameter) const;

 private:
  friend class Tape;
  std::unordered_map<std::int32_t, Tensor> by_id_;
  std::unordered_map<const Parameter*, std::int32_t> id_of_;
};

/// Where an op's backward leaves its gradients; `i` counts the op's inputs.
class GradSink {
 public:
  /// True if input i needs a gradient; `add` for another one is ignored.
  bool wants(int i) const;
  /// Storage for input i's gradient, contents unspecified, to be filled and handed to add(): the parameter's own gradient
  /// when it is the first to arrive, else a buffer from the pool.
  Tensor buffer(int i);
  /// Adds g to input i's gradient (takes it over when it is the first). Padding lanes of g must be zero.
  void add(int i, const Tensor& g);
  /// Input i's gradient for adding to in place: the sum of what has arrived, or zeros. Nothing is left to hand to add().
  Tensor running_sum(int i);
  /// Adds g to rows [begin, begin + g's rows) of input i's gradient; for a plain input, elements.
  void add_rows(int i, const Tensor& g, std::int64_t begin);
  /// The gradient that has reached a node so far, taken from it; undefined if none.
  Tensor take(std::int32_t node);

 private:
  friend class Tape;
  GradSink(Tape& tape, const std::vector<std::int32_t>& inputs) : tape_(tape), inputs_(inputs) {}
  Tape& tape_;
  const std::vector<std::int32_t>& inputs_;
};

/// Backward of a recorded op: `dy` is the gradient of its output. Called only if some input wants a gradient.
using Backward = std::function<void(const Tensor& dy, GradSink& grads)>;

enum class Mode { train, eval };

/// The record of one run's forward pass, reset at each step. Owns the mode, the random key, the step and the pool of
/// intermediate tensors, so that a steady step allocates no tensor storage. In eval mode nothing is recorded.
class Tape {
 public:
  explicit Tape(Mode mode = Mode::train, std::uint64_t seed = 42);
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;
  ~Tape();

  /// Forgets all records and values (their storage returns to the pool) and begins `step`; older Vars become stale.
  void reset(std::int64_t step, Mode mode);
  void reset(std::int64_t step) { reset(step, mode_); }

  Mode mode() const { return mode_; }
  bool training() const { return mode_ == Mode::train; }
  std::uint64_t seed() const { return seed_; }
  std::int64_t step() const { return step_; }
  const Pool& pool() const { return pool_; }

  /// A value without gradient: data, targets, constants.
  Var input(Tensor value);
  /// A value whose gradient backward() reports.
  Var leaf(Tensor value);
  /// The step's one leaf for a parameter.
  Var param(const ParamPtr& parameter);
  /// Lets `leaf` stand for a parameter until the next reset: how a check moves a parameter without touching its store.
  void bind(const ParamPtr& parameter, Var leaf) { parameters_[parameter.get()] = leaf.id(); }

  /// An uninitialised tensor from the pool with x's dtype, rows and columns; or with other rows.
  Tensor like(Var x) const;
  Tensor like(Var x, Shape rows) const;

  /// Records that `y` was computed from `inputs` by `op`. If `y` shares storage with an input it is a view, else y is the op's own.
  /// Throws UsageError for a stale or foreign Var.
  /// `saved` names the tensors that the closure keeps beside values of the tape (its inputs and y), for records().
  Var record(std::string_view op, Tensor y, std::initializer_list<Var> inputs, Backward backward, const std::vector<Tensor>& saved = {});
  Var record(std::string_view op, Tensor y, const std::vector<Var>& inputs, Backward backward, const std::vector<Tensor>& saved = {});

  /// A value that is computed when it is first needed (see pending.hpp).
  Var defer(std::shared_ptr<Pending> pending, Dtype dtype, Shape rows, ColumnsPtr columns, const std::vector<Var>& inputs);
  /// The pending computation of a value, or null if it has none (left).
  std::shared_ptr<Pending> pending(Var x) const;
  /// Ops that have taken this value as an input.
  int consumers(Var x) const;
  /// Gives a deferred node its value and its backward. `inner` are nodes whose gradients the closure takes too. Without a backward
  /// nothing is recorded: the value was computed again for a later reader, and a record that has the node as inner takes its gradient.
  void resolve(std::int32_t node, std::string_view op, Tensor value, const std::vector<Var>& inputs, std::vector<std::int32_t> inner,
               Backward backward, const std::vector<Tensor>& saved = {});

  /// Gradients of `loss` (one row, one column or a plain scalar tensor of one element) for every leaf and parameter.
  /// Frees what it has used. Throws UsageError in eval mode or if loss is not a scalar.
  Gradients backward(Var loss);

  /// Names the layer at work, for errors, random keys and the list of saved bytes; nests.
  class PathScope {
   public:
    PathScope(Tape& tape, const std::string& path) : tape_(tape), outer_(std::exchange(tape.path_, path)) {}
    PathScope(const PathScope&) = delete;
    PathScope& operator=(const PathScope&) = delete;
    ~PathScope() { tape_.path_ = outer_; }

   private:
    Tape& tape_;
    std::string outer_;
  };
  const std::string& path() const { return path_; }

  /// When on, every op runs unfused and its output and gradients are checked: the first non-finite one throws NumericError
  /// naming op and layer.
  void check_finite(bool on) { check_finite_ = on; }

  /// One line for each record: the bytes of its value, and of what it keeps for backward beside values of the tape (bits, choices,
  /// statistics).
  struct RecordInfo {
    std::string op, path;
    std::int64_t output_bytes, saved_bytes;
  };
  std::vector<RecordInfo> records() const;

 private:
  friend class Var;
  friend class GradSink;
  struct Node;
  struct Record;

  Var add_node(Node node, Tensor value);
  Node& node(Var x);
  const Node& node(Var x) const;
  void require_own(Var x, std::string_view op) const;
  std::vector<std::int32_t> take_inputs(const std::vector<Var>& inputs, std::string_view op);
  bool any_wants_grad(const std::vector<std::int32_t>& ids) const;
  void append(std::string_view op, std::int32_t output, std::vector<std::int32_t> inputs, std::vector<std::int32_t> inner,
              Backward backward, bool view, const std::vector<Tensor>& saved);
  void force(std::int32_t id);
  void check_values(const Tensor& t, std::string_view op, const std::string& path, const std::string& what) const;
  Tensor seed_gradient(Var loss);
  void run_record(std::size_t index);
  Tensor lend(std::int32_t id);
  void accumulate(std::int32_t id, const Tensor& g);
  Tensor running_sum(std::int32_t id);
  void accumulate_rows(std::int32_t id, const Tensor& g, std::int64_t begin);
  Gradients collect();

  Mode mode_;
  std::uint64_t seed_;
  std::int64_t step_ = 0;
  std::uint64_t generation_ = 1;
  bool check_finite_ = false;
  std::size_t running_ = static_cast<std::size_t>(-1);  // the record whose backward is at work
  std::string path_;
  Pool pool_;
  std::vector<Node> nodes_;
  std::deque<Tensor> values_;  // of the nodes; a deque, so that a reference from Var::value() outlives later ops
  std::vector<Record> records_;
  std::unordered_map<const Parameter*, std::int32_t> parameters_;
  std::unordered_map<std::int32_t, Tensor> arriving_;  // gradients during backward
};

}  // namespace weft
