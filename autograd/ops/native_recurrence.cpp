// The conventional formulation of a recurrence: the input parts of all steps are one product, then each step multiplies the states before
// it and applies its gates one by one. The tape differentiates it.
#include <weft/autograd/ops/native_recurrence.hpp>

#include <weft/autograd/ops/glue.hpp>
#include <weft/autograd/ops/native.hpp>
#include <weft/autograd/ops/operands.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>
#include <weft/kernels/arithmetic.hpp>
#include <weft/kernels/sequences.hpp>

namespace weft {

namespace {

using kernels::Cell;

Var filled(Var x, const Shape& rows, double value) {
  const Tensor t = x.tape().like(x, rows);
  t.fill(value);
  return x.tape().input(t);
}

/// The sum of one or more values.
Var total(const std::vector<Var>& parts) {
  Var sum = parts.front();
  for (std::size_t i = 1; i < parts.size(); ++i) sum = sum + parts[i];
  return sum;
}

/// The loop: states of all steps so far, carried ones first.
class Loop {
 public:
  Loop(const NativeRecurrence& r, const NativeWeights& w, Var x) : r_(r), bias_hh_(w.bias_hh), zero_(filled(x, {r.units}, 0)) {
    const bool apart = r.cell == Cell::gru;  // its candidate multiplies the hidden part, with its bias, by the reset gate
    const bool biased = w.bias_ih.id() >= 0;
    inputs_ = native_linear(w.ih, biased && !apart ? w.bias_ih + w.bias_hh : w.bias_ih, x, rows());
    if (!apart) bias_hh_ = Var();
    const std::int64_t size = w.hh.rows().size() / r.kinds;
    for (std::int64_t kind = 0; kind < r.kinds; ++kind) hh_.push_back(r.kinds == 1 ? w.hh : slice(w.hh, kind * size, (kind + 1) * size));
  }

  void begin_with(const Tensor& h, const Tensor& c) {
    for (std::int64_t place = 0; place < r_.carried; ++place) {
      h_.push_back(carried(h, place));
      if (r_.cell == Cell::lstm) c_.push_back(carried(c, place));
    }
  }

  void step(std::int64_t t) {
    const Var x = reshape(slice(inputs_, t, t + 1), {rows()});
    std::vector<Predecessor> before = r_.predecessors[static_cast<std::size_t>(t)];
    std::vector<Var> h, c, parts;
    for (const Predecessor& p : before) {
      h.push_back(h_[static_cast<std::size_t>(p.place)]);
      if (r_.cell == Cell::lstm) c.push_back(c_[static_cast<std::size_t>(p.place)]);
    }
    if (before.empty()) before.push_back({0, 0}), h.push_back(zero_), c.push_back(zero_);
    for (std::size_t e = 0; e < before.size(); ++e)
      parts.push_back(native_linear(hh_[static_cast<std::size_t>(before[e].kind)], e == 0 ? bias_hh_ : Var(), h[e], rows()));
    switch (r_.cell) {
      case Cell::linear: return h_.push_back(x + total(parts));
      case Cell::tanh: return h_.push_back(tanh(x + total(parts)));
      case Cell::relu: return h_.push_back(relu(x + total(parts)));
      case Cell::gru: return gru(x, parts, h);
      case Cell::lstm: return lstm(x, parts, c);
    }
  }

  /// [carried + steps, units, N].
  Var all_h() const { return joined(h_); }
  Var all_c() const { return joined(c_); }

 private:
  std::int64_t rows() const { return kernels::gates(r_.cell) * r_.units; }
  Var gate(Var z, std::int64_t which) const { return slice(z, which * r_.units, (which + 1) * r_.units); }
  Var carried(const Tensor& state, std::int64_t place) const {
    if (!state.defined()) return zero_;
    const Tensor here = zero_.tape().like(zero_);  // in the columns of x, which may end elsewhere than those before
    kernels::copy(state.reshape_rows({r_.carried * r_.units}).slice_rows(place * r_.units, (place + 1) * r_.units), here);
    return zero_.tape().input(here);
  }
  Var joined(const std::vector<Var>& states) const { return reshape(concat(states), {static_cast<std::int64_t>(states.size()), r_.units}); }

  void gru(Var x, const std::vector<Var>& parts, const std::vector<Var>& before) {
    const Var hidden = total(parts), mean = before.size() == 1 ? before[0] : total(before) / static_cast<double>(before.size());
    const Var reset = sigmoid(gate(x, 0) + gate(hidden, 0)), update = sigmoid(gate(x, 1) + gate(hidden, 1));
    const Var candidate = tanh(gate(x, 2) + reset * gate(hidden, 2));
    h_.push_back(candidate + update * (mean - candidate));
  }

  void lstm(Var x, const std::vector<Var>& parts, const std::vector<Var>& before) {
    const Var z = x + total(parts);
    Var c = sigmoid(gate(z, 0)) * tanh(gate(z, 2));
    for (std::size_t e = 0; e < parts.size(); ++e) c = c + sigmoid(gate(x, 1) + gate(parts[e], 1)) * before[e];
    c_.push_back(c);
    h_.push_back(sigmoid(gate(z, 3)) * tanh(c));
  }

  const NativeRecurrence& r_;
  Var bias_hh_, zero_, inputs_;
  std::vector<Var> hh_, h_, c_;
};

/// Of [carried + steps, units, N] the carried steps that follow on each column's last active one: a copy.
Tensor left_by(const NativeRecurrence& r, Var all) {
  const Columns& columns = *all.columns();
  const std::int64_t steps = all.rows()[0] - r.carried;
  const Tensor end =
      Tensor::tiled(all.dtype(), {r.carried, r.units},
                    std::make_shared<const Columns>(Columns{columns.count, columns.lanes, columns.first_global}), all.tape().pool());
  kernels::gather_steps(
      all.value(), [&](std::int64_t n, std::int64_t step) { return columns.length(n, steps) + step; }, end);
  return end;
}

/// Zero in the columns that have ended.
Var without_ended(Var h) {
  if (h.columns()->lengths.empty()) return h;
  const Tensor mask = h.tape().like(h);
  mask.fill(1);
  const std::int64_t units = h.rows()[1];
  for (std::int64_t t = 0; t < h.rows()[0]; ++t)
    kernels::clear_ended(t, mask.reshape_rows({mask.row_count()}).slice_rows(t * units, (t + 1) * units));
  return h * h.tape().input(mask);
}

}  // namespace

Var native_recurrence(const NativeRecurrence& r, const NativeWeights& w, Var x, Tensor& h, Tensor& c) {
  require_float("native_recurrence", x);
  const auto known = static_cast<std::int64_t>(r.predecessors.size());
  if (!x.columns() || x.rows().rank() != 2 || x.rows()[0] < 1 || x.rows()[0] > known)
    throw ShapeError({.op = "native_recurrence",
                      .path = x.tape().path(),
                      .what = cat("x is ", shape_text(x), ", predecessors are given for ", known, " steps")});
  const std::int64_t steps = x.rows()[0];
  Loop loop(r, w, x);
  loop.begin_with(h, c);
  for (std::int64_t t = 0; t < steps; ++t) loop.step(t);
  const Var all = loop.all_h();
  if (r.carried > 0) {
    h = left_by(r, all);
    if (r.cell == Cell::lstm) c = left_by(r, loop.all_c());
  }
  return without_ended(r.carried == 0 ? all : slice(all, r.carried, r.carried + steps));
}

}  // namespace weft
