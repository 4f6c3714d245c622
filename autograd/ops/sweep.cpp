// A recurrence: forward substitution on its strictly lower triangular matrix, step by step; backward, the transposed substitution leaves
// the gradients of all pre-activations, from which every weight's is one product.
#include <weft/autograd/sweep.hpp>

#include <algorithm>
#include <utility>

#include <weft/autograd/ops/operands.hpp>
#include <weft/autograd/tape.hpp>
#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/text.hpp>
#include <weft/kernels/maps.hpp>
#include <weft/kernels/product.hpp>
#include <weft/kernels/reductions.hpp>
#include <weft/kernels/sequences.hpp>

namespace weft {

namespace {

/// The links of a step, or of all.
struct Range {
  std::int64_t begin, end;
  std::int64_t size() const { return end - begin; }
};
Range links_of(const SparsePattern& links, std::int64_t step) {
  return {links.row_ptr()[static_cast<std::size_t>(step)], links.row_ptr()[static_cast<std::size_t>(step) + 1]};
}
std::int64_t source_of(const SparsePattern& links, std::int64_t link) { return links.col()[static_cast<std::size_t>(link)]; }

/// The same links, each in a row of its own.
PatternPtr one_a_row(const SparsePattern& links) {
  PatternSpec spec = links.spec();
  spec.rows = links.blocks();
  spec.row_ptr.clear(), spec.row_key.clear();
  for (std::int64_t link = 0; link <= links.blocks(); ++link) spec.row_ptr.push_back(link);
  for (std::int64_t step = 0; step < links.rows(); ++step)
    spec.row_key.insert(spec.row_key.end(), static_cast<std::size_t>(links_of(links, step).size()), links.row_key(step));
  return make_pattern(std::move(spec));
}

bool any_step_has_two(const SparsePattern& links) {
  for (std::int64_t step = 0; step < links.rows(); ++step)
    if (links_of(links, step).size() > 1) return true;
  return false;
}

void check(Cell cell, const SparsePattern& links, const SparsePattern& ih, const SparsePattern& hh) {
  const auto refuse = [&](const std::string& what, const std::string& hint) {
    throw ShapeError({.op = "recurrence", .path = links.name(), .what = what, .hint = hint});
  };
  if (!links.block().scalar() || links.masked() || links.cols() < links.rows())
    refuse(cat("links are ", links.rows(), " x ", links.cols()),
           "give scalars, a column for each step and before them one for each carried step");
  if (!links.is_strictly_lower_triangular())
    refuse("a step takes the state of itself or of a later one", "links must be strictly lower triangular");
  for (std::int64_t step = 0; step < links.rows(); ++step)
    for (std::int64_t link = links_of(links, step).begin; link < links_of(links, step).end; ++link)
      if (source_of(links, link) >= links.cols() - links.rows() + step)
        refuse(cat("row ", step, " takes a later row"), "order the rows so that each comes after those it takes");
  if (ih.rows() != hh.rows() || hh.rows() != kernels::gates(cell) * hh.cols())
    refuse(cat("W_ih is ", ih.rows(), " x ", ih.cols(), ", W_hh is ", hh.rows(), " x ", hh.cols()),
           cat("a ", kernels::name_of(cell), " has ", kernels::gates(cell), " rows a unit in both"));
}

PatternPtr own(Weights weights, PatternPtr pattern) {
  return weights == Weights::own && pattern->tied() ? patterns::untied(pattern) : pattern;
}

}  // namespace

Recurrence::Recurrence(Cell cell, PatternPtr links, PatternPtr ih, PatternPtr hh, Weights weights)
    : cell_(cell),
      weights_(weights),
      links_(own(weights, std::move(links))),
      ih_(own(weights, std::move(ih))),
      hh_(own(weights, std::move(hh))),
      inputs_([weights, w = ih_](std::int64_t steps) { return own(weights, patterns::repeat_diagonal(w, steps)); }) {
  check(cell_, *links_, *ih_, *hh_);
  apart_ = cell_ == Cell::gru || (cell_ == Cell::lstm && any_step_has_two(*links_));
  hidden_ = patterns::tied_kron(apart_ ? one_a_row(*links_) : links_, hh_);
}

PatternPtr Recurrence::matrix() const { return apart_ ? patterns::tied_kron(links_, hh_) : hidden_; }

std::int64_t Recurrence::levels() const {
  std::vector<std::int64_t> level(static_cast<std::size_t>(steps()), 1);
  for (std::int64_t step = 0; step < steps(); ++step)
    for (std::int64_t link = links_of(*links_, step).begin; link < links_of(*links_, step).end; ++link)
      if (const std::int64_t source = source_of(*links_, link) - carried(); source >= 0)
        level[static_cast<std::size_t>(step)] =
            std::max(level[static_cast<std::size_t>(step)], level[static_cast<std::size_t>(source)] + 1);
  return level.empty() ? 0 : *std::max_element(level.begin(), level.end());
}

/// One forward pass and what its backward needs. Steps of `h` and `c` count the carried ones.
class SweepRun {
 public:
  SweepRun(const Recurrence& r, Tensor hh, Tensor bias, Tensor x, const Pool& pool)
      : r_(r), hh_(std::move(hh)), bias_(std::move(bias)), x_(std::move(x)) {
    const std::int64_t all = r.carried() + r.steps();
    const auto rows = [&](std::int64_t steps, std::int64_t of_step) {
      return Tensor::tiled(x_.dtype(), {steps, of_step}, x_.columns(), pool);
    };
    z_ = rows(r.steps(), r.ih()->rows());
    h_ = rows(all, r.units());
    if (r.cell() == Cell::lstm) c_ = rows(all, r.units());
    if (r.apart_) hidden_ = rows(r.links()->blocks(), r.ih()->rows());
  }

  void begin_with(const SweepState& state) {
    const auto copy = [&](const Tensor& from, const Tensor& all) {
      if (!all.defined() || r_.carried() == 0) return;
      const Tensor to = step_of(all, 0, r_.carried());
      if (from.defined()) kernels::copy(from.reshape_rows(to.rows()), to);
      else all.fill(0);
    };
    copy(state.h, h_);
    copy(state.c, c_);
  }

  void forward(const Tensor& ih, int chunk) {
    for (std::int64_t begin = 0; begin < r_.steps(); begin += chunk) {
      const std::int64_t end = std::min(begin + chunk, r_.steps());
      kernels::spmm(*r_.inputs(end - begin), set_of(ih, r_.ih()->values_size(), begin, end), set_of(bias_, r_.ih()->rows(), begin, end),
                    step_of(x_, begin, end), {}, step_of(z_, begin, end));
      for (std::int64_t step = begin; step < end; ++step) advance(step);
    }
  }

  SweepState last(const Pool& pool) const {
    const Columns& columns = *x_.columns();
    const ColumnsPtr streams = std::make_shared<const Columns>(Columns{columns.count, columns.lanes, columns.first_global});
    const auto tail = [&](const Tensor& all) {
      if (!all.defined() || r_.carried() == 0) return Tensor();
      const Tensor end = Tensor::tiled(all.dtype(), {r_.carried(), r_.units()}, streams, pool);
      kernels::gather_steps(
          all, [&](std::int64_t n, std::int64_t step) { return columns.length(n, r_.steps()) + step; }, end);
      return end;
    };
    return {tail(h_), tail(c_)};
  }

  Tensor states() const { return step_of(h_, r_.carried(), r_.carried() + r_.steps()).reshape_rows({r_.steps(), r_.units()}); }

  /// Leaves the gradients of all pre-activations in z and hidden; answers that of b + Σ zh_n for gru.
  Tensor backward(const Tensor& dy, const Pool& pool) {
    const Tensor dh = Tensor::tiled(h_.dtype(), h_.rows(), h_.columns(), pool), dc = c_.defined() ? zeros_like(c_, pool) : Tensor();
    const Tensor dhidden = r_.cell() == Cell::gru ? Tensor::tiled(dy.dtype(), {r_.steps(), r_.units()}, dy.columns(), pool) : Tensor();
    if (r_.carried() > 0) step_of(dh, 0, r_.carried()).fill(0);
    kernels::map({}, dy.reshape_rows(states().rows()), step_of(dh, r_.carried(), r_.carried() + r_.steps()).reshape_rows(states().rows()),
                 Tensor());
    for (std::int64_t step = r_.steps(); step-- > 0;) retreat(step, dh, dc, dhidden);
    return dhidden;
  }

  const Tensor& z() const { return z_; }
  /// Gradients of the hidden parts, the rows of r.hidden_.
  const Tensor& hidden() const { return r_.apart_ ? hidden_ : z_; }
  const Tensor& h() const { return h_; }
  const Tensor& x() const { return x_; }
  const SparsePattern& hidden_pattern() const { return *r_.hidden_; }

 private:
  /// Steps [begin, end) of a tensor [steps, rows].
  static Tensor step_of(const Tensor& all, std::int64_t begin, std::int64_t end) {
    const std::int64_t rows = all.rows().back();
    return all.reshape_rows({all.row_count()}).slice_rows(begin * rows, end * rows);
  }
  static Tensor step_of(const Tensor& all, std::int64_t step) { return step_of(all, step, step + 1); }

  static Tensor zeros_like(const Tensor& t, const Pool& pool) {
    const Tensor zeros = Tensor::tiled(t.dtype(), t.rows(), t.columns(), pool);
    zeros.fill(0);
    return zeros;
  }

  /// Of plain [sets, size] what the steps [begin, end) take: all that there is, or their own sets.
  Tensor set_of(const Tensor& sets, std::int64_t size, std::int64_t begin, std::int64_t end) const {
    if (!sets.defined()) return {};
    return r_.weights() == Weights::own ? Tensor::plain_view(sets, begin * size, {(end - begin) * size})
                                        : Tensor::plain_view(sets, 0, {size});
  }
  Tensor hidden_bias(std::int64_t step) const {
    if (r_.cell() != Cell::gru || !bias_.defined()) return {};
    const std::int64_t set = r_.weights() == Weights::own ? step : 0;
    return Tensor::plain_view(bias_, r_.sets() * r_.ih()->rows() + set * r_.units(), {r_.units()});
  }
  Tensor values_of(std::int64_t link) const {
    return Tensor::plain_view(hh_, r_.links()->slot(link) * r_.hh()->values_size(), {r_.hh()->values_size()});
  }

  kernels::CellStep cell_step(std::int64_t step) const {
    kernels::CellStep s{.z = step_of(z_, step), .hidden = {}, .h_before = {}, .c_before = {}, .hidden_bias = {}, .h = {}, .c = {}};
    s.h = step_of(h_, r_.carried() + step);
    if (c_.defined()) s.c = step_of(c_, r_.carried() + step);
    s.hidden_bias = hidden_bias(step);
    const Range links = links_of(*r_.links(), step);
    for (std::int64_t link = links.begin; link < links.end; ++link) {
      const std::int64_t source = source_of(*r_.links(), link);
      s.h_before.push_back(step_of(h_, source));
      if (c_.defined()) s.c_before.push_back(step_of(c_, source));
      if (r_.apart_) s.hidden.push_back(step_of(hidden_, link));
    }
    return s;
  }

  /// From a z that holds the input part.
  void advance(std::int64_t step) {
    const kernels::CellStep s = cell_step(step);
    const Range links = links_of(*r_.links(), step);
    for (std::int64_t i = 0; i < links.size(); ++i) {
      const Tensor weight = values_of(links.begin + i), &before = s.h_before[static_cast<std::size_t>(i)];
      if (i + 1 == links.size()) kernels::spmm_cell(*r_.hh(), weight, before, r_.cell(), s);
      else if (r_.apart_) kernels::spmm(*r_.hh(), weight, {}, before, {}, s.hidden[static_cast<std::size_t>(i)]);
      else kernels::spmm_add(*r_.hh(), weight, before, s.z);
    }
    if (links.size() == 0) kernels::cell(r_.cell(), s);
    kernels::clear_ended(step, s.h);
    if (s.c.defined()) kernels::clear_ended(step, s.c);
  }

  void retreat(std::int64_t step, const Tensor& dh, const Tensor& dc, const Tensor& dhidden) {
    const kernels::CellStep s = cell_step(step);
    const Range links = links_of(*r_.links(), step);
    kernels::CellGradients g{.dh = step_of(dh, r_.carried() + step), .dc = {}, .dh_before = {}, .dc_before = {}, .dhidden = {}};
    kernels::clear_ended(step, g.dh);  // no later step has added to it, nor to dc
    if (dc.defined()) g.dc = step_of(dc, r_.carried() + step);
    if (dhidden.defined()) g.dhidden = step_of(dhidden, step);
    for (std::int64_t link = links.begin; link < links.end; ++link) {
      g.dh_before.push_back(step_of(dh, source_of(*r_.links(), link)));
      if (dc.defined()) g.dc_before.push_back(step_of(dc, source_of(*r_.links(), link)));
    }
    kernels::cell_grad(r_.cell(), s, g);
    for (std::int64_t i = 0; i < links.size(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      kernels::spmm_t_add(*r_.hh(), values_of(links.begin + i), r_.apart_ ? s.hidden[at] : s.z, g.dh_before[at]);
    }
  }

  Recurrence r_;
  Tensor hh_, bias_, x_;
  Tensor z_, hidden_, h_, c_;
};

namespace {

void require_operands(const Recurrence& r, Var ih, Var hh, Var bias, Var x, const SweepState& state, SweepOptions options) {
  const char* op = "sweep";
  require_float(op, x);
  require_same_dtype(op, x, ih);
  require_same_dtype(op, x, hh);
  if (!x.columns() || x.rows().rank() != 2 || x.rows()[0] != r.steps() || x.rows()[1] != r.channels())
    throw ShapeError({.op = op,
                      .path = x.tape().path(),
                      .what = cat("x is ", shape_text(x), ", the recurrence has ", r.steps(), " steps of ", r.channels(), " channels")});
  require_plain(op, "W_ih", ih, r.ih_size());
  require_plain(op, "W_hh", hh, r.hh_size());
  if (bias.id() >= 0) require_same_dtype(op, x, bias), require_plain(op, "bias", bias, r.bias_size());
  for (const Tensor& t : {state.h, state.c})
    if (t.defined() && (t.row_count() != r.carried() * r.units() || t.dtype() != x.dtype() || !t.is_tiled() ||
                        t.columns()->count != x.columns()->count || t.columns()->lanes != x.columns()->lanes))
      throw ShapeError({.op = op,
                        .path = x.tape().path(),
                        .what = cat("the state has ", t.row_count(), " rows of ", t.is_tiled() ? t.columns()->count : 1,
                                    " streams, the recurrence carries ", r.carried(), " steps of ", r.units(),
                                    " units for x of N = ", x.columns()->count),
                        .hint = "a state goes on with the streams, in the lanes and the dtype, that it was left by"});
  if (options.chunk < 1) throw UsageError({.op = op, .what = cat("chunk is ", options.chunk), .hint = "give 1 or more"});
}

/// The gradient of the bias: the sums of dz, which `sddmm` gave, and for gru those of dhidden.
void add_bias(const Recurrence& r, const Tensor& sums, const Tensor& dhidden, GradSink& grads) {
  if (!sums.defined()) return;
  const Tensor g = grads.buffer(2);
  by_float(g.dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::copy_n(sums.data<T>(), sums.row_count(), g.data<T>());
    if (!dhidden.defined()) return;
    const std::int64_t rows = r.sets() * r.units();
    const std::vector<double> hidden_sums = kernels::channel_sums(dhidden.reshape_rows({dhidden.row_count() / rows, rows}));
    write_plain(hidden_sums.data(), Tensor::plain_view(g, sums.row_count(), {rows}));
  });
  grads.add(2, g);
}

}  // namespace

Var sweep(const Recurrence& r, Var ih, Var hh, Var bias, Var x, SweepState& state, SweepOptions options) {
  require_operands(r, ih, hh, bias, x, state, options);
  Tape& tape = x.tape();
  const Tensor w = ih.value();
  const auto run = std::make_shared<SweepRun>(r, hh.value(), bias.id() >= 0 ? bias.value() : Tensor(), x.value(), tape.pool());
  run->begin_with(state);
  run->forward(w, static_cast<int>(std::min<std::int64_t>(options.chunk, std::max<std::int64_t>(r.steps(), 1))));
  state = run->last(tape.pool());
  const auto backward = [run, w, r, pool = tape.pool()](const Tensor& dy, GradSink& grads) {
    const Tensor dhidden = run->backward(dy, pool);
    const PatternPtr inputs = r.inputs(r.steps());
    if (grads.wants(0) || grads.wants(2)) {
      const Tensor dih = grads.wants(0) ? grads.buffer(0) : Tensor::plain(dy.dtype(), {w.row_count()}, pool);
      const Tensor sums = grads.wants(2) ? Tensor::plain(dy.dtype(), {r.sets() * r.ih()->rows()}, pool) : Tensor();
      kernels::sddmm(*inputs, run->z(), run->x(), dih, sums);
      if (grads.wants(0)) grads.add(0, dih);
      add_bias(r, sums, dhidden, grads);
    }
    if (grads.wants(1)) {
      const Tensor dhh = grads.buffer(1);
      kernels::sddmm(run->hidden_pattern(), run->hidden(), run->h(), dhh, Tensor());
      grads.add(1, dhh);
    }
    if (grads.wants(3)) {
      const Tensor dx = grads.buffer(3);
      kernels::spmm_t(*inputs, w, run->z(), dx);
      grads.add(3, dx);
    }
  };
  return tape.record("sweep", run->states(), {ih, hh, bias, x}, backward, {run->z(), run->hidden(), run->h()});
}

Var sweep_bias(const Recurrence& r, Var ih, Var hh) {
  const char* op = "sweep_bias";
  const std::int64_t rows = r.ih()->rows(), size = r.sets() * rows, units = r.units();
  require_same_dtype(op, ih, hh);
  require_plain(op, "the input part's bias", ih, size);
  require_plain(op, "the hidden part's bias", hh, size);
  // Where element i of the hidden part's bias is added: to its like, or to gru's own for the candidate.
  const auto place = [=, gru = r.cell() == Cell::gru](std::int64_t i) {
    const std::int64_t unit = i % rows - 2 * units;
    return gru && unit >= 0 ? size + i / rows * units + unit : i;
  };
  const Tensor y = Tensor::plain(ih.dtype(), {r.bias_size()}, ih.tape().pool());
  by_float(y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    y.fill(0);
    std::copy_n(ih.value().data<T>(), size, y.data<T>());
    for (std::int64_t i = 0; i < size; ++i) y.data<T>()[place(i)] += hh.value().data<T>()[i];
  });
  return ih.tape().record(op, y, {ih, hh}, [=](const Tensor& dy, GradSink& grads) {
    if (grads.wants(0)) grads.add(0, Tensor::plain_view(dy, 0, {size}).clone());
    if (!grads.wants(1)) return;
    const Tensor g = grads.buffer(1);
    by_float(dy.dtype(), [&](auto zero) {
      using T = decltype(zero);
      for (std::int64_t i = 0; i < size; ++i) g.data<T>()[i] = dy.data<T>()[place(i)];
    });
    grads.add(1, g);
  });
}

}  // namespace weft
