// The one differentiable product: the head of a chain (chain.hpp), so that what follows it runs in the same pass.

#include <utility>

#include <weft/autograd/ops.hpp>
#include <weft/autograd/ops/chain.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>
#include <weft/kernels/product.hpp>

namespace weft {

namespace {

class Product : public ChainHead {
 public:
  Product(PatternPtr pattern, Var values, Var bias, Var x, Shape out)
      : ChainHead("spmm", {values, bias, x}, x, out), pattern_(std::move(pattern)) {}

  void forward(const kernels::Epilogue& e, const Tensor& y) override {
    if (!x_.defined()) {
      values_ = inputs[0].value();
      if (inputs[1].id() >= 0) bias_ = inputs[1].value();
      x_ = inputs[2].value();
    }
    kernels::spmm(*pattern_, values_, bias_, x_, e, y);
  }

  void backward(const kernels::Epilogue& e, const Tensor& y, const Tensor& dy, const Tensor& expanded, GradSink& grads,
                const Pool& pool) override {
    kernels::ProductGradients want;
    want.dresidual = expanded;
    if (grads.wants(0)) want.dvalues = grads.buffer(0);
    if (grads.wants(1)) want.dbias = grads.buffer(1);
    if (grads.wants(2)) want.dx = grads.buffer(2);
    kernels::spmm_backward(*pattern_, values_, x_, e, y, dy, want, pool);
    if (want.dvalues.defined()) grads.add(0, want.dvalues);
    if (want.dbias.defined()) grads.add(1, want.dbias);
    if (want.dx.defined()) grads.add(2, want.dx);
  }

 private:
  PatternPtr pattern_;
  Tensor values_, bias_, x_;
};

}  // namespace

Var spmm(const PatternPtr& pattern, Var values, Var bias, Var x, Shape out) {
  Tape& tape = x.tape();
  if (x.rows().size() != pattern->cols() || !x.columns())
    throw ShapeError({.op = "spmm",
                      .path = tape.path(),
                      .what = cat("S is ", pattern->rows(), " x ", pattern->cols(), " (", pattern->name(), "), X has ", x.rows().size(),
                                  " rows (", x.rows().str(), ")"),
                      .hint = "give the layer an input of the size it was built with"});
  if (out.size() != pattern->rows())
    throw ShapeError({.op = "spmm",
                      .path = tape.path(),
                      .what = cat("S has ", pattern->rows(), " rows (", pattern->name(), "), the output was declared ", out.str())});
  return defer_chain(std::make_shared<Product>(pattern, values, bias, x, out));
}

}  // namespace weft
