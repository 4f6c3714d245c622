#include <weft/autograd/tape.hpp>

#include <algorithm>
#include <cmath>
#include <functional>

#include <weft/autograd/pending.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>
#include <weft/kernels/arithmetic.hpp>

namespace weft {

struct Tape::Node {
  Dtype dtype = Dtype::f32;
  Shape rows;
  ColumnsPtr columns;
  std::shared_ptr<Pending> pending;
  ParamPtr parameter;
  std::string path;  // of a deferred value: where it was asked for
  bool wants_grad = false;
  bool leaf = false;
  bool grad_owned = false;  // the gradient that arrived is ours to write
  bool grad_lent = false;   // the parameter's own gradient has been handed out
  int consumers = 0;
};

struct Tape::Record {
  std::string op, path;
  std::int32_t output;
  std::vector<std::int32_t> inputs, inner;
  Backward backward;
  std::int64_t output_bytes, saved_bytes;
};

// ---- Var ----

Tape& Var::tape() const {
  if (tape_ == nullptr)
    throw UsageError({.op = "var", .what = "an undefined Var was used", .hint = "make Vars with Tape::input, leaf or param"});
  tape_->require_own(*this, "var");
  return *tape_;
}

const Tensor& Var::value() const {
  Tape& owner = tape();
  owner.force(id_);
  return owner.values_[static_cast<std::size_t>(id_)];
}

Tensor Var::detach() const { return value().clone(); }
const Shape& Var::rows() const { return tape().node(*this).rows; }
const ColumnsPtr& Var::columns() const { return tape().node(*this).columns; }
Dtype Var::dtype() const { return tape().node(*this).dtype; }
bool Var::wants_grad() const { return tape().node(*this).wants_grad; }

// ---- Gradients and GradSink ----

Tensor Gradients::of(Var leaf) const {
  const auto found = by_id_.find(leaf.id());
  return found == by_id_.end() ? Tensor() : found->second;
}

Tensor Gradients::of(const ParamPtr& parameter) const {
  const auto id = id_of_.find(parameter.get());
  if (id == id_of_.end()) return {};
  const auto found = by_id_.find(id->second);
  return found == by_id_.end() ? Tensor() : found->second;
}

bool GradSink::wants(int i) const {
  const std::int32_t id = inputs_.at(static_cast<std::size_t>(i));
  return id >= 0 && tape_.nodes_[static_cast<std::size_t>(id)].wants_grad;
}

Tensor GradSink::buffer(int i) { return tape_.lend(inputs_.at(static_cast<std::size_t>(i))); }

void GradSink::add(int i, const Tensor& g) {
  if (wants(i)) tape_.accumulate(inputs_[static_cast<std::size_t>(i)], g);
}

Tensor GradSink::running_sum(int i) { return tape_.running_sum(inputs_.at(static_cast<std::size_t>(i))); }

void GradSink::add_rows(int i, const Tensor& g, std::int64_t begin) {
  if (wants(i)) tape_.accumulate_rows(inputs_[static_cast<std::size_t>(i)], g, begin);
}

Tensor GradSink::take(std::int32_t node) {
  const auto found = tape_.arriving_.find(node);
  if (found == tape_.arriving_.end()) return {};
  Tensor g = std::move(found->second);
  tape_.arriving_.erase(found);
  return g;
}

// ---- Tape: nodes ----

Tape::Tape(Mode mode, std::uint64_t seed) : mode_(mode), seed_(seed) {}
Tape::~Tape() = default;

void Tape::reset(std::int64_t step, Mode mode) {
  records_.clear();
  nodes_.clear();
  values_.clear();
  parameters_.clear();
  arriving_.clear();
  running_ = static_cast<std::size_t>(-1);
  ++generation_;
  step_ = step;
  mode_ = mode;
}

Var Tape::add_node(Node added, Tensor value) {
  nodes_.push_back(std::move(added));
  values_.push_back(std::move(value));
  return {this, static_cast<std::int32_t>(nodes_.size() - 1), generation_};
}

void Tape::require_own(Var x, std::string_view op) const {
  const char* wrong = nullptr;
  if (x.tape_ != this) wrong = "a Var of another tape was used";
  else if (x.generation_ != generation_) wrong = "a Var of an earlier step was used";
  if (wrong == nullptr) return;
  throw UsageError({.op = std::string(op),
                    .path = path_,
                    .what = cat(wrong, " (value ", x.id_, ", this tape is at step ", step_, ")"),
                    .hint = "Vars die with their step: detach() a value to keep it, and give it back with input()"});
}

Tape::Node& Tape::node(Var x) {
  require_own(x, "tape");
  return nodes_[static_cast<std::size_t>(x.id_)];
}

const Tape::Node& Tape::node(Var x) const {
  require_own(x, "tape");
  return nodes_[static_cast<std::size_t>(x.id_)];
}

namespace {

void require_defined(const Tensor& value, const char* op) {
  if (!value.defined())
    throw UsageError({.op = op, .what = "an undefined tensor was given", .hint = "make it with Tensor::plain or tiled"});
}

}  // namespace

Var Tape::input(Tensor value) {
  require_defined(value, "input");
  return add_node({.dtype = value.dtype(), .rows = value.rows(), .columns = value.columns()}, value);
}

Var Tape::leaf(Tensor value) {
  require_defined(value, "leaf");
  return add_node({.dtype = value.dtype(), .rows = value.rows(), .columns = value.columns(), .wants_grad = training(), .leaf = true},
                  value);
}

Var Tape::param(const ParamPtr& parameter) {
  if (const auto found = parameters_.find(parameter.get()); found != parameters_.end()) return {this, found->second, generation_};
  const Tensor& value = parameter->value;
  require_defined(value, "param");
  const Var made = add_node({.dtype = value.dtype(),
                             .rows = value.rows(),
                             .columns = value.columns(),
                             .parameter = parameter,
                             .wants_grad = training() && parameter->trainable,
                             .leaf = true},
                            value);
  parameters_.emplace(parameter.get(), made.id());
  return made;
}

Tensor Tape::like(Var x) const { return like(x, node(x).rows); }

Tensor Tape::like(Var x, Shape rows) const {
  const Node& model = node(x);
  return model.columns ? Tensor::tiled(model.dtype, rows, model.columns, pool_) : Tensor::plain(model.dtype, rows, pool_);
}

// ---- Tape: records ----

namespace {

std::int64_t bytes_of(const Tensor& t) { return t.defined() ? t.element_count() * static_cast<std::int64_t>(size_of(t.dtype())) : 0; }

/// True if y is x or rows of it.
bool lies_in(const Tensor& y, const Tensor& x) {
  if (!x.defined() || !y.defined()) return false;
  const std::less<const std::byte*> before;
  const std::byte* end = x.bytes() + std::max<std::int64_t>(1, x.element_count()) * static_cast<std::int64_t>(size_of(x.dtype()));
  return !before(y.bytes(), x.bytes()) && before(y.bytes(), end);
}

}  // namespace

std::vector<std::int32_t> Tape::take_inputs(const std::vector<Var>& inputs, std::string_view op) {
  std::vector<std::int32_t> ids;
  ids.reserve(inputs.size());
  for (const Var& x : inputs) {
    if (x.tape_ != nullptr) require_own(x, op);  // an undefined Var stands for an optional input left out
    ids.push_back(x.id_);
  }
  return ids;
}

bool Tape::any_wants_grad(const std::vector<std::int32_t>& ids) const {
  for (const std::int32_t id : ids)
    if (id >= 0 && nodes_[static_cast<std::size_t>(id)].wants_grad) return true;
  return false;
}

void Tape::append(std::string_view op, std::int32_t output, std::vector<std::int32_t> inputs, std::vector<std::int32_t> inner,
                  Backward backward, bool view, const std::vector<Tensor>& saved) {
  const Tensor& y = values_[static_cast<std::size_t>(output)];
  if (check_finite_) check_values(y, op, path_, "output");
  if (!training()) return;
  if (!any_wants_grad(inputs)) backward = nullptr;
  const std::int64_t bytes = view ? 0 : bytes_of(y);
  std::int64_t kept = 0;
  if (backward)
    for (const Tensor& t : saved) kept += bytes_of(t);
  records_.push_back({std::string(op), path_, output, std::move(inputs), std::move(inner), std::move(backward), bytes, kept});
}

Var Tape::record(std::string_view op, Tensor y, std::initializer_list<Var> inputs, Backward backward, const std::vector<Tensor>& saved) {
  return record(op, std::move(y), std::vector<Var>(inputs), std::move(backward), saved);
}

Var Tape::record(std::string_view op, Tensor y, const std::vector<Var>& inputs, Backward backward, const std::vector<Tensor>& saved) {
  if (!backward)
    throw UsageError(
        {.op = std::string(op), .path = path_, .what = "an op without a gradient cannot be recorded", .hint = "give record() a backward"});
  std::vector<std::int32_t> ids = take_inputs(inputs, op);
  bool view = false;
  for (const std::int32_t id : ids) {
    if (id < 0) continue;
    ++nodes_[static_cast<std::size_t>(id)].consumers;
    view = view || lies_in(y, values_[static_cast<std::size_t>(id)]);
  }
  // Described before y moves: the order in which a call's arguments are made is not fixed.
  Node described{.dtype = y.dtype(), .rows = y.rows(), .columns = y.columns(), .wants_grad = training() && any_wants_grad(ids)};
  const Var made = add_node(std::move(described), std::move(y));
  append(op, made.id_, std::move(ids), {}, std::move(backward), view, saved);
  return made;
}

Var Tape::defer(std::shared_ptr<Pending> pending, Dtype dtype, Shape rows, ColumnsPtr columns, const std::vector<Var>& inputs) {
  const std::vector<std::int32_t> ids = take_inputs(inputs, "defer");
  std::string path = path_;
  for (const std::int32_t id : ids) {
    if (id < 0) continue;
    Node& from = nodes_[static_cast<std::size_t>(id)];
    ++from.consumers;
    if (from.pending && path == path_ && from.path.starts_with(path_)) path = from.path;  // x | c1 | relu runs under c1's name
  }
  const Var made = add_node({.dtype = dtype,
                             .rows = rows,
                             .columns = std::move(columns),
                             .pending = std::move(pending),
                             .path = std::move(path),
                             .wants_grad = training() && any_wants_grad(ids)},
                            Tensor());
  if (check_finite_) force(made.id_);
  return made;
}

std::shared_ptr<Pending> Tape::pending(Var x) const { return node(x).pending; }
int Tape::consumers(Var x) const { return node(x).consumers; }

void Tape::force(std::int32_t id) {
  const std::size_t index = static_cast<std::size_t>(id);
  if (values_[index].defined()) return;
  const std::shared_ptr<Pending> pending = nodes_[index].pending;
  WEFT_CHECK(pending != nullptr);
  const PathScope scope(*this, std::string(nodes_[index].path));
  pending->run(*this, id);
  WEFT_CHECK(values_[index].defined());
}

void Tape::resolve(std::int32_t id, std::string_view op, Tensor value, const std::vector<Var>& inputs, std::vector<std::int32_t> inner,
                   Backward backward, const std::vector<Tensor>& saved) {
  const std::size_t index = static_cast<std::size_t>(id);
  WEFT_CHECK(index < nodes_.size() && !values_[index].defined() && value.defined());
  std::vector<std::int32_t> ids = take_inputs(inputs, op);
  nodes_[index].pending = nullptr;
  values_[index] = std::move(value);
  if (backward) append(op, id, std::move(ids), std::move(inner), std::move(backward), false, saved);
}

std::vector<Tape::RecordInfo> Tape::records() const {
  std::vector<RecordInfo> infos;
  for (const Record& record : records_) infos.push_back({record.op, record.path, record.output_bytes, record.saved_bytes});
  return infos;
}

// ---- Tape: backward ----

Tensor Tape::seed_gradient(Var loss) {
  const Tensor& value = loss.value();
  const std::int64_t columns = value.is_tiled() ? value.columns()->count : 1;
  if (value.row_count() != 1 || columns != 1)
    throw UsageError({.op = "backward",
                      .path = path_,
                      .what = cat("the loss has ", value.rows().str(), " rows and ", columns, " columns, not one element"),
                      .hint = "reduce it with sum() or mean()"});
  Tensor one = like(loss);
  one.fill(0);
  by_float(one.dtype(), [&](auto zero) { *one.data<decltype(zero)>() = 1; });
  return one;
}

Gradients Tape::backward(Var loss) {
  require_own(loss, "backward");
  if (!training())
    throw UsageError({.op = "backward", .what = "the tape is in eval mode: nothing was recorded", .hint = "reset it with Mode::train"});
  const Tensor one = seed_gradient(loss);
  arriving_.clear();
  running_ = static_cast<std::size_t>(-1);
  for (Node& each : nodes_) each.grad_owned = each.grad_lent = false;
  if (node(loss).wants_grad) accumulate(loss.id_, one);
  for (std::size_t i = records_.size(); i-- > 0;) run_record(i);
  return collect();
}

void Tape::run_record(std::size_t index) {
  Record& record = records_[index];
  const auto output = arriving_.find(record.output);
  bool reached = output != arriving_.end();
  for (const std::int32_t id : record.inner) reached = reached || arriving_.count(id) != 0;
  if (!reached) return;
  if (!record.backward)
    throw UsageError({.op = "backward",
                      .path = record.path,
                      .what = cat("backward has already run through '", record.op, "' and freed what it kept"),
                      .hint = "add the losses and call backward once a step"});
  Tensor dy;
  if (output != arriving_.end()) {
    dy = std::move(output->second);
    arriving_.erase(output);
  }
  const Backward run = std::exchange(record.backward, nullptr);
  running_ = index;
  GradSink sink(*this, record.inputs);
  run(dy, sink);
}

Tensor Tape::lend(std::int32_t id) {
  WEFT_CHECK(id >= 0);
  Node& lender = nodes_[static_cast<std::size_t>(id)];
  if (lender.parameter && lender.parameter->grad.defined() && !lender.grad_lent && arriving_.count(id) == 0) {
    lender.grad_lent = true;
    return lender.parameter->grad;
  }
  return lender.columns ? Tensor::tiled(lender.dtype, lender.rows, lender.columns, pool_) : Tensor::plain(lender.dtype, lender.rows, pool_);
}

void Tape::accumulate(std::int32_t id, const Tensor& g) {
  Node& target = nodes_[static_cast<std::size_t>(id)];
  WEFT_CHECK(g.defined() && g.dtype() == target.dtype && g.row_count() == target.rows.size());
  if (check_finite_ && running_ < records_.size()) check_values(g, records_[running_].op, records_[running_].path, "gradient of its input");
  const auto [found, first] = arriving_.try_emplace(id);
  Tensor& sum = found->second;
  if (first && target.parameter && target.parameter->grad.defined()) {
    sum = target.parameter->grad;
    target.grad_lent = target.grad_owned = true;
    if (!g.shares_storage(sum)) kernels::copy(g, sum);
  } else if (first) {
    sum = (g.is_contiguous() ? g : g.clone(pool_)).reshape_rows(target.rows);
    target.grad_owned = false;  // others may read the same storage
  } else if (target.grad_owned) {
    kernels::binary(kernels::Binary::add, sum, g, sum);
  } else {
    target.grad_owned = true;
    const Tensor before = sum;
    sum =
        target.columns ? Tensor::tiled(target.dtype, target.rows, target.columns, pool_) : Tensor::plain(target.dtype, target.rows, pool_);
    kernels::binary(kernels::Binary::add, before, g, sum);
  }
}

Tensor Tape::running_sum(std::int32_t id) {
  const auto found = arriving_.find(id);
  if (found == arriving_.end()) {
    const Tensor zeros = lend(id);
    zeros.fill(0);
    accumulate(id, zeros);
  } else if (!nodes_[static_cast<std::size_t>(id)].grad_owned) {
    found->second = found->second.clone(pool_);
  }
  nodes_[static_cast<std::size_t>(id)].grad_owned = true;
  return arriving_.at(id);
}

/// Other rows that nothing has reached get zeros.
void Tape::accumulate_rows(std::int32_t id, const Tensor& g, std::int64_t begin) {
  if (check_finite_ && running_ < records_.size()) check_values(g, records_[running_].op, records_[running_].path, "gradient of its input");
  const Tensor sum = running_sum(id);
  const Tensor part = sum.is_tiled() ? sum.slice_rows(begin, begin + g.row_count()) : Tensor::plain_view(sum, begin, {g.row_count()});
  kernels::binary(kernels::Binary::add, part, g, part);
}

Gradients Tape::collect() {
  Gradients gradients;
  for (auto& [id, g] : arriving_) {
    WEFT_CHECK(nodes_[static_cast<std::size_t>(id)].leaf);  // every other gradient was used by the record that made its value
    gradients.by_id_.emplace(id, std::move(g));
  }
  arriving_.clear();
  running_ = static_cast<std::size_t>(-1);
  for (const auto& [parameter, id] : parameters_) {
    gradients.id_of_.emplace(parameter, id);
    if (parameter->grad.defined() && gradients.by_id_.count(id) == 0) parameter->grad.fill(0);
  }
  return gradients;
}

void Tape::check_values(const Tensor& t, std::string_view op, const std::string& path, const std::string& what) const {
  if (t.dtype() != Dtype::f32 && t.dtype() != Dtype::f64) return;
  const std::int64_t columns = t.is_tiled() ? t.columns()->count : 1;
  const int lanes = t.is_tiled() ? t.columns()->lanes : 1;
  by_float(t.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t n = 0; n < columns; ++n)
      for (std::int64_t row = 0; row < t.row_count(); ++row) {
        const T value = t.data<T>()[n / lanes * t.tile_stride() + row * lanes + n % lanes];
        if (std::isfinite(value)) continue;
        const char* const kind = std::isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
        throw NumericError({.op = std::string(op),
                            .path = path,
                            .what = cat(what, " is ", kind, " at row ", row, ", column ", n, " (step ", step_, ")"),
                            .hint = "lower the learning rate, clip gradients, or look at this layer's input"});
      }
  });
}

}  // namespace weft
