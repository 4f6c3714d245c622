#include <weft/kernels/softmax.hpp>

#include <weft/autograd/ops.hpp>
#include <weft/autograd/ops/operands.hpp>

namespace weft {

Var softmax(Var x) {
  require_float("softmax", x);
  last_axis("softmax", x);
  Tensor y = x.tape().like(x);
  kernels::softmax(x.value(), y);
  return x.tape().record("softmax", y, {x}, [y](const Tensor& dy, GradSink& grads) {
    const Tensor dx = grads.buffer(0);
    kernels::softmax_grad(y, dy, dx);
    grads.add(0, dx);
  });
}

Var log_softmax(Var x) {
  require_float("log_softmax", x);
  last_axis("log_softmax", x);
  Tensor y = x.tape().like(x);
  kernels::log_softmax(x.value(), y);
  return x.tape().record("log_softmax", y, {x}, [y](const Tensor& dy, GradSink& grads) {
    const Tensor dx = grads.buffer(0);
    kernels::log_softmax_grad(y, dy, dx);
    grads.add(0, dx);
  });
}

}  // namespace weft
