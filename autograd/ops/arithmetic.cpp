#include <weft/kernels/arithmetic.hpp>

#include <weft/autograd/ops.hpp>
#include <weft/autograd/ops/operands.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>
#include <weft/kernels/reductions.hpp>

namespace weft {

using kernels::Binary;

namespace {

/// The operand's value; a scalar beside a tensor is spread to the tensor's shape.
Tensor spread(Var x, Var beside) {
  if (!is_scalar(x) || is_scalar(beside)) return x.value();
  Tensor wide = x.tape().like(beside);
  wide.fill(scalar_value(x.value()));
  return wide;
}

/// Adds the gradient of one operand: summed up if the operand was a scalar spread out.
void add_side(Binary op, int side, bool spread_out, const Tensor& a, const Tensor& b, const Tensor& dy, const Pool& pool, GradSink& grads) {
  if (!grads.wants(side)) return;
  const Tensor g = grads.buffer(side);
  if (spread_out) {
    const Tensor wide =
        dy.is_tiled() ? Tensor::tiled(dy.dtype(), dy.rows(), dy.columns(), pool) : Tensor::plain(dy.dtype(), dy.rows(), pool);
    kernels::binary_grad(op, side, a, b, dy, wide);
    g.fill(kernels::sum_all(wide));
  } else {
    kernels::binary_grad(op, side, a, b, dy, g);
  }
  grads.add(side, g);
}

Var binary_op(Binary op, Var a, Var b) {
  require_same_dtype(kernels::name_of(op), a, b);
  const bool a_spread = is_scalar(a) && !is_scalar(b), b_spread = is_scalar(b) && !is_scalar(a);
  if (!a_spread && !b_spread) {
    require_same_columns(kernels::name_of(op), a, b);
    if (a.rows().size() != b.rows().size())
      throw ShapeError({.op = kernels::name_of(op),
                        .path = a.tape().path(),
                        .what = cat("rows differ: ", shape_text(a), " against ", shape_text(b)),
                        .hint = "reshape one of them, or reduce it to a scalar"});
  }
  const Tensor left = spread(a, b), right = spread(b, a);
  Tensor y = a.tape().like(a_spread ? b : a);
  kernels::binary(op, left, right, y);
  const bool reads = op != Binary::add && op != Binary::subtract;
  const auto backward = [op, a_spread, b_spread, kept_left = reads ? left : Tensor(), kept_right = reads ? right : Tensor(),
                         pool = a.tape().pool()](const Tensor& dy, GradSink& grads) {
    add_side(op, 0, a_spread, kept_left, kept_right, dy, pool, grads);
    add_side(op, 1, b_spread, kept_left, kept_right, dy, pool, grads);
  };
  return a.tape().record(kernels::name_of(op), y, {a, b}, backward);
}

/// y = scale·x + shift.
Var affine_op(const char* op, Var x, double scale, double shift) {
  require_float(op, x);
  Tensor y = x.tape().like(x);
  kernels::affine(scale, x.value(), shift, y);
  return x.tape().record(op, y, {x}, [scale](const Tensor& dy, GradSink& grads) {
    const Tensor dx = grads.buffer(0);
    kernels::affine(scale, dy, 0, dx);
    grads.add(0, dx);
  });
}

}  // namespace

Var operator-(Var a, Var b) { return binary_op(Binary::subtract, a, b); }
Var operator*(Var a, Var b) { return binary_op(Binary::multiply, a, b); }
Var operator/(Var a, Var b) { return binary_op(Binary::divide, a, b); }
Var operator-(Var a) { return affine_op("negate", a, -1, 0); }
Var operator+(Var a, double b) { return affine_op("shift", a, 1, b); }
Var operator*(Var a, double b) { return affine_op("scale", a, b, 0); }
Var maximum(Var a, Var b) { return binary_op(Binary::maximum, a, b); }
Var minimum(Var a, Var b) { return binary_op(Binary::minimum, a, b); }

}  // namespace weft
