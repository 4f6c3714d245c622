#include <weft/autograd/ops.hpp>
#include <weft/autograd/ops/operands.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>
#include <weft/kernels/arithmetic.hpp>

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

Var slice(Var x, std::int64_t begin, std::int64_t end) {
  const std::int64_t extent = x.rows().rank() == 0 ? 0 : x.rows()[0];
  if (begin < 0 || begin > end || end > extent)
    throw ShapeError({.op = "slice",
                      .path = x.tape().path(),
                      .what = cat("rows [", begin, ", ", end, ") of ", shape_text(x)),
                      .hint = cat("stay in [0, ", extent, "]")});
  const std::int64_t below = rows_below_first(x.rows());
  Tensor y = rows_of(x.value(), begin * below, end * below).reshape_rows(with_first(x.rows(), end - begin));
  return x.tape().record("slice", y, {x}, [begin, end, below](const Tensor& dy, GradSink& grads) {
    const Tensor dx = grads.buffer(0);
    dx.fill(0);
    kernels::copy(dy, rows_of(dx, begin * below, end * below));
    grads.add(0, dx);
  });
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

}  // namespace weft
