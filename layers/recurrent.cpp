#include <weft/layers/recurrent.hpp>

#include <algorithm>
#include <string>
#include <utility>

#include <weft/autograd/ops.hpp>
#include <weft/autograd/ops/native_recurrence.hpp>
#include <weft/core/by_count.hpp>
#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/text.hpp>
#include <weft/layers/dropout.hpp>
#include <weft/layers/layer_call.hpp>
#include <weft/layers/pattern_weight.hpp>

namespace weft {

namespace {

/// A matrix of the cell and how its values look in a checkpoint.
struct CellMatrix {
  PatternPtr pattern;
  bool dense;
};

CellMatrix cell_matrix(const Scope& s, std::int64_t rows, std::int64_t cols, const RecurrentOptions& options) {
  if (options.matrix) return {options.matrix(rows, cols), false};
  if (options.density == 1) return {patterns::dense_whole(rows, cols), true};
  return {patterns::random_blocks(rows, cols, options.block, options.density, s.structure_seed()), false};
}

/// The weight of `count` such matrices that `whole` repeats; its untied form has the pattern `untied`.
PatternWeight::Spec weight_spec(const CellMatrix& m, std::int64_t count, PatternPtr whole, PatternPtr untied) {
  PatternWeight::Spec spec;
  spec.pattern = std::move(whole);
  spec.untied = std::move(untied);
  if (m.dense) {
    spec.field = stacked(linear_map(m.pattern), count);
    spec.native = stacked(native_linear_map(m.pattern->cols(), m.pattern->rows()), count);
  } else {
    spec.field = values_map(spec.pattern);
    spec.keeps_pattern = true;
    spec.kept = m.pattern;
  }
  spec.init = initialise::torch_default();
  return spec;
}

/// All of a plain parameter, or what its first steps take.
Var leading(Var parameter, std::int64_t size) { return parameter.rows().size() == size ? parameter : slice(flatten(parameter), 0, size); }

std::vector<std::vector<Predecessor>> predecessors_of(const SparsePattern& links) {
  std::vector<std::vector<Predecessor>> all;
  for (std::int64_t step = 0; step < links.rows(); ++step) {
    all.emplace_back();
    for (std::int64_t e = links.row_ptr()[static_cast<std::size_t>(step)]; e < links.row_ptr()[static_cast<std::size_t>(step) + 1]; ++e)
      all.back().push_back({links.col()[static_cast<std::size_t>(e)], links.slot(e)});
  }
  return all;
}

}  // namespace

/// One layer in one direction.
class Recurrent::Layer {
 public:
  Layer(const Scope& s, const Recurrence& shared, const CellMatrix& ih, const CellMatrix& hh, std::string suffix, bool bias)
      : whole_(s.form() == Form::untied ? Recurrence(shared.cell(), shared.links(), shared.ih(), shared.hh(), Weights::own) : shared),
        by_steps_([r = whole_](std::int64_t steps) {
          return steps == r.steps() ? r : Recurrence(r.cell(), patterns::leading(r.links(), steps), r.ih(), r.hh(), r.weights());
        }),
        native_{shared.cell(), shared.carried(), shared.kinds(), shared.units(), {}},
        ih_(s, kind("input", suffix), ih_spec(shared, ih, suffix, bias)),
        hh_(s, kind("hidden", suffix), hh_spec(shared, hh, suffix, bias)) {
    if (s.form() == Form::native) native_.predecessors = predecessors_of(*shared.links());
  }

  Var operator()(Var x, SweepState& state) const;

  const Recurrence& whole() const { return whole_; }
  const PatternPtr& pattern() const { return hh_.pattern(); }

 private:
  std::string kind(const char* part, const std::string& suffix) const { return cat(kernels::name_of(whole_.cell()), suffix, ' ', part); }

  PatternWeight::Spec ih_spec(const Recurrence& shared, const CellMatrix& m, const std::string& suffix, bool bias) const {
    return finished(weight_spec(m, 1, shared.inputs(shared.steps()), own(whole_.inputs(whole_.steps()))), "_ih" + suffix, bias);
  }
  PatternWeight::Spec hh_spec(const Recurrence& shared, const CellMatrix& m, const std::string& suffix, bool bias) const {
    return finished(weight_spec(m, shared.kinds(), shared.matrix(), own(whole_.matrix())), "_hh" + suffix, bias);
  }
  PatternPtr own(PatternPtr pattern) const { return whole_.weights() == Weights::own ? pattern : nullptr; }
  PatternWeight::Spec finished(PatternWeight::Spec spec, std::string suffix, bool bias) const {
    const auto units = static_cast<double>(whole_.units());
    spec.suffix = std::move(suffix);
    spec.fans = {units, units};
    spec.bias = bias ? whole_.ih()->rows() : 0;
    spec.untied_biases = whole_.sets();
    return spec;
  }

  Recurrence whole_;
  ByCount<Recurrence> by_steps_;
  NativeRecurrence native_;
  PatternWeight ih_, hh_;
};

Var Recurrent::Layer::operator()(Var x, SweepState& state) const {
  const LayerCall call(x.tape(), ih_.path());
  Tape& tape = x.tape();
  const bool biased = ih_.bias() != nullptr;
  Var y;
  if (ih_.form() == Form::native) {
    y = native_recurrence(native_, {ih_.weight_on(tape), hh_.weight_on(tape), ih_.bias_on(tape), hh_.bias_on(tape)}, x, state.h, state.c);
  } else {
    const Recurrence r = by_steps_.of(x.rows()[0]);
    const std::int64_t rows = r.sets() * r.ih()->rows();
    const Var bias = biased ? sweep_bias(r, leading(ih_.bias_on(tape), rows), leading(hh_.bias_on(tape), rows)) : Var();
    y = sweep(r, leading(ih_.weight_on(tape), r.ih_size()), leading(hh_.weight_on(tape), r.hh_size()), bias, x, state);
  }
  call.done(y, [&] { return ih_.info(1); });
  return call.done(y, [&] { return hh_.info(1); });
}

Recurrent::Recurrent(const Scope& s, Cell cell, PatternPtr links, std::int64_t in, std::int64_t hidden, RecurrentOptions options)
    : path_(s.path()), in_(in), dropout_(options.dropout) {
  const auto refuse = [&](const std::string& what) { throw ConfigError({.op = kernels::name_of(cell), .path = path_, .what = what}); };
  if (in < 1 || hidden < 1 || options.layers < 1)
    refuse(cat(in, " channels, ", hidden, " units, ", options.layers, " layers: all must be 1 or more"));
  if (!(dropout_ >= 0 && dropout_ < 1)) refuse(cat("dropout = ", dropout_, " is outside [0, 1)"));
  const std::int64_t rows = kernels::gates(cell) * hidden;
  for (int layer = 0; layer < options.layers; ++layer) {
    layers_.emplace_back();
    const std::int64_t channels = layer == 0 ? in : hidden * (options.bidirectional ? 2 : 1);
    for (const char* direction : {"", "_reverse"}) {
      if (*direction != 0 && !options.bidirectional) continue;
      const std::string suffix = cat("_l", layer, direction);
      const CellMatrix ih = cell_matrix(s / ("weight_ih" + suffix), rows, channels, options),
                       hh = cell_matrix(s / ("weight_hh" + suffix), rows, hidden, options);
      const Recurrence shared(cell, links, ih.pattern, hh.pattern);
      layers_.back().push_back(std::make_shared<const Layer>(s, shared, ih, hh, suffix, options.bias));
    }
  }
}

Rnn::Rnn(const Scope& s, PatternPtr links, std::int64_t in, std::int64_t hidden, RecurrentOptions options, Cell cell)
    : Recurrent(s, cell, std::move(links), in, hidden, std::move(options)) {
  if (kernels::gates(cell) != 1)
    throw ConfigError({.op = "rnn", .path = s.path(), .what = cat(kernels::name_of(cell), " has gates"), .hint = "use Gru or Lstm"});
}

std::int64_t Recurrent::out() const { return layers_.back().front()->whole().units() * static_cast<std::int64_t>(layers_.back().size()); }
std::int64_t Recurrent::steps() const { return layers_.front().front()->whole().steps(); }

const PatternPtr& Recurrent::pattern(int layer, Direction direction) const {
  return layers_.at(static_cast<std::size_t>(layer)).at(direction == Direction::forward ? 0 : 1)->pattern();
}

Var Recurrent::operator()(Var x) const {
  RecurrentState begun;
  return run(x, begun);
}

Var Recurrent::operator()(Var x, RecurrentState& state) const {
  const Recurrence& r = layers_.front().front()->whole();
  const char* op = kernels::name_of(r.cell());
  if (r.carried() == 0 || layers_.front().size() > 1)
    throw UsageError({.op = op,
                      .path = path_,
                      .what = r.carried() == 0 ? "its links carry no state from one sequence to the next"
                                               : "in reversed time a state would come from the next sequence",
                      .hint = "build links with Carry::yes and run one direction, or call it without a state"});
  if (!state.layers.empty() && state.layers.size() != layers_.size())
    throw ShapeError({.op = op, .path = path_, .what = cat("the state is of ", state.layers.size(), " layers, not ", layers_.size())});
  for (const SweepState& layer : state.layers)
    if (x.columns() && layer.h.defined() && layer.h.columns()->count != x.columns()->count)
      throw ShapeError({.op = op,
                        .path = path_,
                        .what = cat("the state is of ", layer.h.columns()->count, " streams, the batch has ", x.columns()->count),
                        .hint = "a state goes on with the streams that left it; begin others with state = {}"});
  return run(x, state);
}

Var Recurrent::run(Var x, RecurrentState& state) const {
  if (!x.columns() || x.rows().rank() != 2 || x.rows()[0] < 1 || x.rows()[0] > steps() || x.rows()[1] != in_)
    throw ShapeError({.op = kernels::name_of(layers_.front().front()->whole().cell()),
                      .path = path_,
                      .what = cat("x has rows ", x.rows().str(), ", not 1 to ", steps(), " steps of ", in_, " channels"),
                      .hint = "give [steps, channels, N]; links are a rule for the longest sequence"});
  RecurrentState next = state;
  next.layers.resize(layers_.size());
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (i > 0 && dropout_ > 0) {
      const LayerCall call(x.tape(), cat(path_, "/dropout_l", i - 1));
      x = dropout(x, dropout_);
    }
    const Var forward = (*layers_[i][0])(x, next.layers[i]);
    SweepState unused;
    x = layers_[i].size() == 1 ? forward : beside(forward, reverse_steps((*layers_[i][1])(reverse_steps(x), unused)));
  }
  state = next;
  return x;
}

namespace {

std::string array_name(char part, std::size_t layer) { return cat(part, "_l", layer); }

Tensor plain_array(const Tensor& t) {
  const Tensor array = Tensor::plain(t.dtype(), t.rows() + t.columns()->count);
  by_float(t.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const std::vector<T> values = unpack_rows<T>(t);
    std::copy(values.begin(), values.end(), array.data<T>());
  });
  return array;
}

Tensor tiled_array(const Tensor& array, const std::string& name, const ColumnsPtr& columns) {
  if (array.is_tiled() || array.rows().rank() != 3 || array.rows().back() != columns->count)
    throw ShapeError({.op = "recurrent state",
                      .path = name,
                      .what = cat("the array is ", array.rows().str(), ", not [carried, units, ", columns->count, "]")});
  return by_float(array.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const std::vector<T> values(array.data<T>(), array.data<T>() + array.row_count());
    return pack_rows(values, {array.rows()[0], array.rows()[1]}, columns);
  });
}

}  // namespace

State RecurrentState::arrays() const {
  State all;
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    if (layers[layer].h.defined()) all.emplace_back(array_name('h', layer), plain_array(layers[layer].h));
    if (layers[layer].c.defined()) all.emplace_back(array_name('c', layer), plain_array(layers[layer].c));
  }
  return all;
}

RecurrentState RecurrentState::from_arrays(const State& arrays, const ColumnsPtr& columns) {
  const auto find = [&](const std::string& name) {
    const auto found = std::find_if(arrays.begin(), arrays.end(), [&](const auto& entry) { return entry.first == name; });
    return found == arrays.end() ? Tensor() : tiled_array(found->second, name, columns);
  };
  RecurrentState state;
  std::size_t known = 0;
  for (std::size_t layer = 0;; ++layer) {
    SweepState s{find(array_name('h', layer)), find(array_name('c', layer))};
    if (!s.h.defined()) break;
    known += s.c.defined() ? 2 : 1;
    state.layers.push_back(std::move(s));
  }
  if (known != arrays.size())
    throw UsageError({.op = "recurrent state",
                      .what = cat(arrays.size(), " arrays, ", known, " of them named h_l0, c_l0, h_l1, … without a gap"),
                      .hint = "give what arrays() wrote"});
  return state;
}

}  // namespace weft
