#include <weft/kernels/reductions.hpp>

#include <weft/autograd/ops.hpp>
#include <weft/autograd/ops/operands.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

using kernels::Binary;

namespace {

Var scaled_sum_rows(const char* op, Var x, double scale) {
  require_float(op, x);
  Tensor y = x.tape().like(x, {1});
  kernels::sum_rows(x.value(), scale, y);
  return x.tape().record(op, y, {x}, [scale](const Tensor& dy, GradSink& grads) {
    const Tensor dx = grads.buffer(0);
    kernels::spread_rows(dy, scale, dx);
    grads.add(0, dx);
  });
}

Var extreme_row(const char* op, Binary which, Var x) {
  require_float(op, x);
  if (x.rows().size() == 0)
    throw ShapeError({.op = op, .path = x.tape().path(), .what = cat("the input is ", shape_text(x), ": no row to choose")});
  Tensor y = x.tape().like(x, {1});
  const Pool& pool = x.tape().pool();
  Tensor where = x.columns() ? Tensor::tiled(Dtype::i32, {1}, x.columns(), pool) : Tensor::plain(Dtype::i32, {1}, pool);
  kernels::extreme_rows(which, x.value(), y, where);
  return x.tape().record(op, y, {x},
                         [where](const Tensor& dy, GradSink& grads) {
                           const Tensor dx = grads.buffer(0);
                           kernels::place_rows(where, dy, dx);
                           grads.add(0, dx);
                         },
                         {where});
}

Var scaled_sum(const char* op, Var x, double scale) {
  require_float(op, x);
  Tensor y = scalar_like(x, scale * kernels::sum_all(x.value()));
  return x.tape().record(op, y, {x}, [scale](const Tensor& dy, GradSink& grads) {
    const Tensor dx = grads.buffer(0);
    kernels::fill_valid(dx, scale * scalar_value(dy));
    grads.add(0, dx);
  });
}

double reciprocal(std::int64_t count) { return count == 0 ? 0 : 1 / static_cast<double>(count); }

}  // namespace

Var sum_rows(Var x) { return scaled_sum_rows("sum_rows", x, 1); }
Var mean_rows(Var x) { return scaled_sum_rows("mean_rows", x, reciprocal(x.rows().size())); }
Var max_rows(Var x) { return extreme_row("max_rows", Binary::maximum, x); }
Var min_rows(Var x) { return extreme_row("min_rows", Binary::minimum, x); }
Var sum(Var x) { return scaled_sum("sum", x, 1); }
Var mean(Var x) { return scaled_sum("mean", x, reciprocal(x.rows().size() * (x.columns() ? x.columns()->count : 1))); }

}  // namespace weft
