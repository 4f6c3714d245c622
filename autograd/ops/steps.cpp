#include <weft/kernels/steps.hpp>

#include <weft/autograd/ops.hpp>
#include <weft/autograd/ops/operands.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

using kernels::StepAxis;

namespace {

Shape without_first(const Shape& rows) {
  if (rows.rank() == 1) return {1};
  Shape rest;
  for (int axis = 1; axis < rows.rank(); ++axis) rest = rest + rows[axis];
  return rest;
}

Shape without(const Shape& rows, TimeAxis time) { return time == TimeAxis::first ? without_first(rows) : leading_rows(rows); }

Shape with_steps(const Shape& rows, std::int64_t steps, TimeAxis time) {
  if (time == TimeAxis::last) return rows + steps;
  Shape all{steps};
  for (const std::int64_t extent : rows) all = all + extent;
  return all;
}

StepAxis axis_of(const Shape& rows, TimeAxis time) {
  const std::int64_t steps = time == TimeAxis::first ? rows[0] : rows.back(), others = without(rows, time).size();
  return time == TimeAxis::first ? StepAxis{1, steps, others} : StepAxis{others, steps, 1};
}

void require_steps(const char* op, Var x) {
  require_float(op, x);
  if (x.rows().rank() == 0 || !x.columns())
    throw ShapeError({.op = op, .path = x.tape().path(), .what = cat("the input is ", shape_text(x), ": no time axis")});
}

/// One step of each line, chosen by `choose(axis, x, y, where)`.
template <class Choose>
Var chosen_step(const char* op, Var x, TimeAxis time, Choose choose) {
  require_steps(op, x);
  const StepAxis axis = axis_of(x.rows(), time);
  const Shape rows = without(x.rows(), time);
  Tensor y = x.tape().like(x, rows);
  const Tensor where = Tensor::tiled(Dtype::i32, rows, x.columns(), x.tape().pool());
  choose(axis, x.value(), y, where);
  return x.tape().record(op, y, {x},
                         [axis, where](const Tensor& dy, GradSink& grads) {
                           const Tensor dx = grads.buffer(0);
                           kernels::place_step(axis, where, dy, dx);
                           grads.add(0, dx);
                         },
                         {where});
}

}  // namespace

Var mean_steps(Var x, TimeAxis time) {
  require_steps("mean_steps", x);
  const StepAxis axis = axis_of(x.rows(), time);
  Tensor y = x.tape().like(x, without(x.rows(), time));
  kernels::mean_steps(axis, x.value(), y);
  return x.tape().record("mean_steps", y, {x}, [axis](const Tensor& dy, GradSink& grads) {
    const Tensor dx = grads.buffer(0);
    kernels::mean_steps_grad(axis, dy, dx);
    grads.add(0, dx);
  });
}

Var max_steps(Var x, TimeAxis time) { return chosen_step("max_steps", x, time, kernels::max_steps); }

Var last_step(Var x, TimeAxis time) { return chosen_step("last_step", x, time, kernels::last_step); }

Var repeat_steps(Var x, std::int64_t steps, TimeAxis time) {
  require_float("repeat_steps", x);
  if (!x.columns() || steps < 1)
    throw ShapeError({.op = "repeat_steps", .path = x.tape().path(), .what = cat(shape_text(x), " over ", steps, " steps")});
  const Shape rows = with_steps(x.rows(), steps, time);
  const StepAxis axis = axis_of(rows, time);
  Tensor y = x.tape().like(x, rows);
  kernels::repeat_steps(axis, x.value(), y);
  return x.tape().record("repeat_steps", y, {x}, [axis](const Tensor& dy, GradSink& grads) {
    const Tensor dx = grads.buffer(0);
    kernels::repeat_steps_grad(axis, dy, dx);
    grads.add(0, dx);
  });
}

}  // namespace weft
