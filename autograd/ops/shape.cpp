#include <weft/autograd/ops.hpp>
#include <weft/autograd/ops/operands.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>
#include <weft/kernels/arithmetic.hpp>
#include <weft/kernels/sequences.hpp>

namespace weft {

namespace {

/// Rows under one index of the first axis.
std::int64_t rows_below_first(const Shape& rows) {
  std::int64_t below = 1;
  for (int axis = 1; axis < rows.rank(); ++axis) below *= rows[axis];
  return below;
}

Shape with_first(const Shape& rows, std::int64_t first) {
  Shape changed{first};
  for (int axis = 1; axis < rows.rank(); ++axis) changed = changed + rows[axis];
  return changed;
}

/// Rows [begin, end) of a tiled or plain tensor as a view.
Tensor rows_of(const Tensor& t, std::int64_t begin, std::int64_t end) {
  return t.is_tiled() ? t.slice_rows(begin, end) : Tensor::plain_view(t, begin, {end - begin});
}

/// Calls f(one, place) for each line of `part` along the last axis and its place in the lines of `both`, from `first` on.
template <class F>
void for_places(const Tensor& part, std::int64_t first, const Tensor& both, F f) {
  const std::int64_t width = part.rows().back(), whole = both.rows().back();
  for (std::int64_t i = 0; i < part.row_count() / width; ++i)
    f(rows_of(part, i * width, (i + 1) * width), rows_of(both, i * whole + first, i * whole + first + width));
}

}  // namespace

Var concat(const std::vector<Var>& parts) {
  if (parts.empty()) throw UsageError({.op = "concat", .what = "no values to join", .hint = "give one or more"});
  const Var first = parts.front();
  const Shape below = with_first(first.rows(), 1);
  std::int64_t extent = 0;
  std::vector<std::int64_t> begin{0};
  for (const Var& part : parts) {
    require_same_dtype("concat", first, part);
    require_same_columns("concat", first, part);
    if (part.rows().rank() == 0 || with_first(part.rows(), 1) != below)
      throw ShapeError({.op = "concat",
                        .path = first.tape().path(),
                        .what = cat("axes after the first differ: ", shape_text(first), " against ", shape_text(part))});
    extent += part.rows()[0];
    begin.push_back(begin.back() + part.rows().size());
  }
  Tensor y = first.tape().like(first, with_first(first.rows(), extent));
  for (std::size_t i = 0; i < parts.size(); ++i) kernels::copy(parts[i].value(), rows_of(y, begin[i], begin[i + 1]));
  return first.tape().record("concat", y, parts, [begin](const Tensor& dy, GradSink& grads) {
    for (std::size_t i = 0; i + 1 < begin.size(); ++i) grads.add(static_cast<int>(i), rows_of(dy, begin[i], begin[i + 1]));
  });
}

Var beside(Var a, Var b) {
  require_same_dtype("beside", a, b);
  require_same_columns("beside", a, b);
  const std::int64_t left = last_axis("beside", a), right = last_axis("beside", b);
  if (leading_rows(a.rows()) != leading_rows(b.rows()))
    throw ShapeError(
        {.op = "beside", .path = a.tape().path(), .what = cat("axes before the last differ: ", shape_text(a), " against ", shape_text(b))});
  const Tensor y = a.tape().like(a, a.rows().with_back(left + right));
  const auto write = [](const Tensor& one, const Tensor& place) { kernels::copy(one, place); };
  for_places(a.value(), 0, y, write);
  for_places(b.value(), left, y, write);
  return a.tape().record("beside", y, {a, b}, [left](const Tensor& dy, GradSink& grads) {
    for (const int side : {0, 1}) {
      if (!grads.wants(side)) continue;
      const Tensor g = grads.buffer(side);
      for_places(g, side == 0 ? 0 : left, dy, [](const Tensor& one, const Tensor& place) { kernels::copy(place, one); });
      grads.add(side, g);
    }
  });
}

Var slice(Var x, std::int64_t begin, std::int64_t end) {
  const std::int64_t extent = x.rows().rank() == 0 ? 0 : x.rows()[0];
  if (begin < 0 || begin > end || end > extent)
    throw ShapeError({.op = "slice",
                      .path = x.tape().path(),
                      .what = cat("rows [", begin, ", ", end, ") of ", shape_text(x)),
                      .hint = cat("stay in [0, ", extent, "]")});
  const std::int64_t below = rows_below_first(x.rows());
  Tensor y = rows_of(x.value(), begin * below, end * below).reshape_rows(with_first(x.rows(), end - begin));
  return x.tape().record("slice", y, {x}, [begin, below](const Tensor& dy, GradSink& grads) { grads.add_rows(0, dy, begin * below); });
}

Var reshape(Var x, Shape rows) {
  if (rows.size() != x.rows().size())
    throw ShapeError(
        {.op = "reshape", .path = x.tape().path(), .what = cat(shape_text(x), " cannot become ", rows.str(), " (", rows.size(), " rows)")});
  Tensor y = x.value().reshape_rows(rows);
  const Shape before = x.rows();
  return x.tape().record("reshape", y, {x}, [before](const Tensor& dy, GradSink& grads) { grads.add(0, dy.reshape_rows(before)); });
}

Var flatten(Var x) { return reshape(x, {x.rows().size()}); }

Var reverse_steps(Var x) {
  require_float("reverse_steps", x);
  if (!x.columns() || x.rows().rank() == 0)
    throw ShapeError({.op = "reverse_steps", .path = x.tape().path(), .what = cat(shape_text(x), " has no steps")});
  const std::int64_t steps = x.rows()[0];
  const auto from = [columns = x.columns(), steps](std::int64_t n, std::int64_t step) { return columns->length(n, steps) - 1 - step; };
  const Tensor y = x.tape().like(x);
  kernels::gather_steps(x.value(), from, y);
  return x.tape().record("reverse_steps", y, {x}, [from](const Tensor& dy, GradSink& grads) {
    const Tensor dx = grads.buffer(0);
    kernels::gather_steps(dy, from, dx);  // its own transpose
    grads.add(0, dx);
  });
}

}  // namespace weft
