#include <weft/kernels/dropout.hpp>

#include <weft/autograd/ops.hpp>
#include <weft/autograd/ops/operands.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

Var dropout(Var x, double p) {
  require_float("dropout", x);
  Tape& tape = x.tape();
  if (!(p >= 0 && p < 1))
    throw UsageError({.op = "dropout", .path = tape.path(), .what = cat("p is ", p), .hint = "give a share in [0, 1)"});
  if (!tape.training() || p == 0) return x;
  Tensor y = tape.like(x);
  const Tensor keep =
      x.columns() ? Tensor::tiled(Dtype::u8, x.rows(), x.columns(), tape.pool()) : Tensor::plain(Dtype::u8, x.rows(), tape.pool());
  kernels::dropout(x.value(), p, {tape.seed(), static_cast<std::uint64_t>(tape.step()), tape.path()}, keep, y);
  return tape.record("dropout", y, {x},
                     [keep, p](const Tensor& dy, GradSink& grads) {
                       const Tensor dx = grads.buffer(0);
                       kernels::dropout_grad(keep, p, dy, dx);
                       grads.add(0, dx);
                     },
                     {keep});
}

}  // namespace weft
