// What a product or a batch normalisation absorbs: head | residual | map | max window stays pending until its value is needed, then
// runs as one pass. Extending makes a new pending value and mutates nothing; a chain runs fused only if nobody else reads its
// inner values, and one that is read later is computed again.

#include <weft/autograd/ops/chain.hpp>

#include <algorithm>
#include <array>

#include <weft/autograd/ops.hpp>
#include <weft/autograd/pending.hpp>
#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/text.hpp>
#include <weft/kernels/arithmetic.hpp>
#include <weft/kernels/max_pool.hpp>

namespace weft {

namespace {

using kernels::Epilogue;
using kernels::MapCall;
using kernels::MaxWindow;

/// A value and its backward, computed on their own: what an unfused step is.
struct Step {
  std::string_view op;
  Tensor y;
  std::vector<Var> inputs;
  Backward backward;
  std::vector<Tensor> saved = {};  ///< what backward keeps beside values of the tape
};

Var record(Step step) {
  Tape& tape = step.inputs.front().tape();
  return tape.record(step.op, std::move(step.y), step.inputs, std::move(step.backward), step.saved);
}

Step add_step(Var a, Var b) {
  Tensor y = a.tape().like(a);
  kernels::binary(kernels::Binary::add, a.value(), b.value(), y);
  return {"add", y, {a, b}, [](const Tensor& dy, GradSink& grads) {
            grads.add(0, dy);
            grads.add(1, dy);
          }};
}

/// Storage for what a map saves of its input or signs; undefined if it saves nothing or its output.
Tensor saved_for(const MapCall& call, Dtype dtype, const Shape& rows, const ColumnsPtr& columns, const Pool& pool) {
  const auto dense = [&] { return columns ? Tensor::tiled(dtype, rows, columns, pool) : Tensor::plain(dtype, rows, pool); };
  switch (kernels::saves(call.map)) {
    case kernels::Saves::bits: return Tensor::plain(Dtype::u8, {(rows.size() * (columns ? columns->padded() : 1) + 7) / 8}, pool);
    case kernels::Saves::input: return dense();
    default: return {};
  }
}

Step map_step(Var x, const MapCall& call) {
  const Tensor& from = x.value();
  const Tensor contiguous = from.is_contiguous() ? from : from.clone(x.tape().pool());
  Tensor y = x.tape().like(x), saved;
  const kernels::Saves kind = kernels::saves(call.map);
  if (kind == kernels::Saves::bits) saved = saved_for(call, y.dtype(), y.rows(), y.columns(), x.tape().pool());
  kernels::map(call, contiguous, y, saved);
  if (kind == kernels::Saves::input) saved = contiguous;
  if (kind == kernels::Saves::output) saved = y;
  return {kernels::name_of(call.map),
          y,
          {x},
          [call, saved](const Tensor& dy, GradSink& grads) {
            const Tensor dx = grads.buffer(0);
            kernels::map_grad(call, saved, dy, dx);
            grads.add(0, dx);
          },
          kind == kernels::Saves::bits ? std::vector<Tensor>{saved} : std::vector<Tensor>{}};
}

Step max_pool_step(Var x, const kernels::PoolGeometry& g) {
  const Tensor y = x.tape().like(x, g.out.shape());
  const Tensor place = Tensor::tiled(Dtype::u8, g.out.shape(), x.columns(), x.tape().pool());
  kernels::max_pool(g, x.value(), y, place);
  return {"max_pool2d",
          y,
          {x},
          [g, place](const Tensor& dy, GradSink& grads) {
            const Tensor dx = grads.buffer(0);
            kernels::max_pool_grad(g, place, dy, dx);
            grads.add(0, dx);
          },
          {place}};
}

/// A head and the stages that follow it so far.
class Chain : public Pending {
 public:
  enum Stage { alone, sum, mapped, windowed };
  using Inner = std::array<std::int32_t, 3>;  ///< nodes of the values before the last stage, by stage; -1: none

  /// What all chains of one head share.
  struct Start {
    std::shared_ptr<ChainHead> head;
    bool fused = false;          ///< some chain has run it
    Inner inner = {-1, -1, -1};  ///< that chain's inner values
  };

  std::shared_ptr<Start> start;
  Stage stage = alone;
  Var base;  ///< the value this one extends
  Inner inner = {-1, -1, -1};
  std::vector<Var> before;  ///< the same as Vars
  Var residual;
  MapCall map;
  MaxWindow window;

  /// The next stage of a chain whose newest value is `from`.
  std::shared_ptr<Chain> extend(Var from, Stage next) const {
    auto longer = std::make_shared<Chain>(*this);
    longer->inner[static_cast<std::size_t>(stage)] = from.id();
    longer->before.push_back(from);
    longer->base = from;
    longer->stage = next;
    return longer;
  }

  void run(Tape& tape, std::int32_t node) override {
    if (start->fused && is_inner(node)) return tape.resolve(node, start->head->op, compute(tape).y, {}, {}, nullptr);
    if (stage == alone || fuses(tape)) return run_fused(tape, node);
    Step step = last_stage();
    tape.resolve(node, step.op, std::move(step.y), step.inputs, {}, std::move(step.backward), step.saved);
  }

 private:
  bool is_inner(std::int32_t node) const { return std::find(start->inner.begin(), start->inner.end(), node) != start->inner.end(); }

  /// True if this chain is the only reader of its inner values. One lane has no fused kernels.
  bool fuses(Tape& tape) const {
    if (start->head->columns->lanes == 1) return false;
    for (const Var& value : before)
      if (tape.consumers(value) != 1 || tape.pending(value) == nullptr) return false;
    return true;
  }

  Step last_stage() const {
    switch (stage) {
      case sum: return add_step(base, residual);
      case mapped: return map_step(base, map);
      default: return max_pool_step(base, {window.in, window.out(), window.kernel, window.kernel, 0});
    }
  }

  struct Result {
    Tensor y;
    Epilogue epilogue;
  };

  Result compute(Tape& tape) const {
    ChainHead& head = *start->head;
    Result r;
    const Shape rows = window ? window.out().shape() : head.rows;
    r.y = Tensor::tiled(head.dtype, rows, head.columns, tape.pool());
    r.epilogue.map = map;
    r.epilogue.window = window;
    if (residual.id() >= 0) r.epilogue.residual = residual.value();
    if (window) r.epilogue.choice = Tensor::plain(Dtype::u8, {kernels::choice_bytes(window, *head.columns)}, tape.pool());
    else r.epilogue.saved = saved_for(map, head.dtype, rows, head.columns, tape.pool());
    head.forward(r.epilogue, r.y);
    return r;
  }

  void run_fused(Tape& tape, std::int32_t node);

  static Tensor inner_gradient(ChainHead& head, const Epilogue& e, const Tensor& dy, const std::array<Tensor, 3>& arrived, GradSink& grads,
                               const Pool& pool);
};

std::string op_name(const Chain& c) {
  std::string name(c.start->head->op);
  if (c.residual.id() >= 0) name += "+residual";
  if (c.map.map != kernels::Map::identity) name += cat("+", kernels::name_of(c.map.map));
  if (c.window) name += "+max";
  return name;
}

/// a + b where either may be undefined.
Tensor sum_of(const Tensor& a, const Tensor& b, const Pool& pool) {
  if (!a.defined() || !b.defined()) return a.defined() ? a : b;
  const Tensor total = Tensor::tiled(a.dtype(), a.rows(), a.columns(), pool);
  kernels::binary(kernels::Binary::add, a, b.reshape_rows(a.rows()), total);
  return total;
}

/// The gradient of the head's own value when inner values of the chain had readers of their own: the chain step by step.
Tensor Chain::inner_gradient(ChainHead& head, const Epilogue& e, const Tensor& dy, const std::array<Tensor, 3>& arrived, GradSink& grads,
                             const Pool& pool) {
  const auto fresh = [&] { return Tensor::tiled(head.dtype, head.rows, head.columns, pool); };
  Tensor d = dy;
  if (e.window && dy.defined()) {
    d = fresh();
    Epilogue window;
    window.window = e.window;
    window.choice = e.choice;
    kernels::expand_gradient(window, Tensor(), dy, d);
  }
  if (e.map.map != kernels::Map::identity) {
    d = sum_of(d, arrived[mapped], pool);
    if (d.defined()) {
      Epilogue mapping;
      mapping.residual = e.residual;
      mapping.map = e.map;
      mapping.saved = saved_for(e.map, head.dtype, head.rows, head.columns, pool);
      const Tensor y = fresh(), dz = fresh();
      head.forward(mapping, y);
      kernels::expand_gradient(mapping, y, d, dz);
      d = dz;
    }
  }
  d = sum_of(d, arrived[sum], pool);
  if (d.defined() && grads.wants(3)) grads.add(3, d);
  return sum_of(d, arrived[alone], pool);
}

void Chain::run_fused(Tape& tape, std::int32_t node) {
  const Result r = compute(tape);
  start->fused = true;
  start->inner = inner;
  std::vector<std::int32_t> read_inside;
  for (const std::int32_t id : inner)
    if (id >= 0) read_inside.push_back(id);
  const bool keeps_output = !window && kernels::saves(map.map) == kernels::Saves::output;
  const Tensor kept = keeps_output ? r.y : Tensor();
  std::vector<Var> inputs = start->head->inputs;
  inputs.push_back(residual);
  tape.resolve(node, op_name(*this), r.y, inputs, read_inside,
               [head = start->head, kept, pool = tape.pool(), e = r.epilogue, ids = inner](const Tensor& dy, GradSink& grads) {
                 std::array<Tensor, 3> arrived;
                 bool read = false;
                 for (std::size_t i = 0; i < 3; ++i) {
                   if (ids[i] >= 0) arrived[i] = grads.take(ids[i]);
                   read = read || arrived[i].defined();
                 }
                 if (read) {
                   const Tensor d = inner_gradient(*head, e, dy, arrived, grads, pool);
                   return head->backward(Epilogue(), Tensor(), d, Tensor(), grads, pool);
                 }
                 const bool expands = e.window || e.map.map != kernels::Map::identity;
                 Tensor expanded;
                 if (grads.wants(3)) {
                   if (expands) expanded = grads.buffer(3);
                   else grads.add(3, dy);
                 }
                 head->backward(e, kept, dy, expanded, grads, pool);
                 if (expanded.defined()) grads.add(3, expanded);
               },
               {r.epilogue.saved, r.epilogue.choice});
}

/// The chain that computes x, if x is one that has not run.
std::shared_ptr<Chain> chain_of(Var x) { return std::dynamic_pointer_cast<Chain>(x.tape().pending(x)); }

void require_equal(const char* op, Var a, Var b) {
  const auto columns = [](Var v) {
    return v.columns() ? cat(v.columns()->count, " columns in ", v.columns()->lanes, " lanes") : std::string("no columns");
  };
  const bool same_columns = a.columns() == b.columns() || (a.columns() && b.columns() && *a.columns() == *b.columns());
  if (!(a.rows() == b.rows()) || !same_columns || a.dtype() != b.dtype())
    throw ShapeError({.op = op,
                      .path = a.tape().path(),
                      .what = cat("left is ", a.rows().str(), " ", name_of(a.dtype()), ", ", columns(a), "; right is ", b.rows().str(), " ",
                                  name_of(b.dtype()), ", ", columns(b))});
}

Var extend_by_residual(const Chain& chain, Var from, Var residual) {
  auto longer = chain.extend(from, Chain::sum);
  longer->residual = residual;
  return from.tape().defer(longer, from.dtype(), from.rows(), from.columns(), {from, residual});
}

}  // namespace

Var defer_chain(std::shared_ptr<ChainHead> head) {
  Tape* tape = nullptr;
  for (const Var& input : head->inputs)
    if (input.id() >= 0) tape = &input.tape();
  auto chain = std::make_shared<Chain>();
  chain->start = std::make_shared<Chain::Start>();
  chain->start->head = head;
  return tape->defer(chain, head->dtype, head->rows, head->columns, head->inputs);
}

Var map_op(Var x, MapCall call) {
  if (call.map == kernels::Map::identity) return x;
  const std::shared_ptr<Chain> chain = chain_of(x);
  if (chain == nullptr || chain->stage >= Chain::mapped) return record(map_step(x, call));
  auto longer = chain->extend(x, Chain::mapped);
  longer->map = call;
  return x.tape().defer(longer, x.dtype(), x.rows(), x.columns(), {x});
}

Var max_pool2d(Var x, Lattice in, int kernel, int stride, int pad) {
  const Lattice out = patterns::pool2d_out(in, {.kernel = kernel, .stride = stride, .pad = pad});
  if (x.rows().size() != in.size() || !x.columns())
    throw ShapeError({.op = "max_pool2d", .path = x.tape().path(), .what = cat("built for ", in.shape().str(), ", got ", x.rows().str())});
  if (kernel > 16) throw ShapeError({.op = "max_pool2d", .path = x.tape().path(), .what = cat("kernel ", kernel, ", at most 16 allowed")});
  const int step = stride == 0 ? kernel : stride;
  const std::shared_ptr<Chain> chain = chain_of(x);
  const bool fits = step == kernel && pad == 0 && kernel <= 4;
  const bool absorbs = chain != nullptr && chain->stage != Chain::windowed && chain->residual.id() < 0 &&
                       (chain->map.map == kernels::Map::identity || chain->map.map == kernels::Map::relu);
  if (!fits || !absorbs) return record(max_pool_step(x, {in, out, kernel, step, pad}));
  auto longer = chain->extend(x, Chain::windowed);
  longer->window = {in, kernel};
  return x.tape().defer(longer, x.dtype(), out.shape(), x.columns(), {x});
}

Var operator+(Var a, Var b) {
  require_equal("add", a, b);
  if (a.id() != b.id()) {
    if (const auto chain = chain_of(a); chain != nullptr && chain->stage == Chain::alone) return extend_by_residual(*chain, a, b);
    if (const auto chain = chain_of(b); chain != nullptr && chain->stage == Chain::alone) return extend_by_residual(*chain, b, a);
  }
  return record(add_step(a, b));
}

}  // namespace weft
