#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/autograd/tape.hpp>
#include <weft/autograd/var.hpp>
#include <weft/kernels/epilogue.hpp>

namespace weft {

/// What a chain begins with: a pass that can run an epilogue on what it writes (a product, a batch normalisation).
class ChainHead {
 public:
  /// `taken`: three inputs, one that is not there is Var(); `x` is the one whose columns and dtype the result has.
  ChainHead(std::string_view name, std::vector<Var> taken, Var x, Shape out)
      : op(name), inputs(std::move(taken)), rows(out), columns(x.columns()), dtype(x.dtype()) {}
  virtual ~ChainHead() = default;

  /// y = epilogue(head); called again for an inner value that is read later, also during backward.
  virtual void forward(const kernels::Epilogue& e, const Tensor& y) = 0;
  /// Adds the gradients of inputs 0 to 2 from dy, that of forward's y. `y` is defined if the map saves its output. `expanded`, if
  /// defined, takes dy expanded through window and map: the gradient of the residual.
  virtual void backward(const kernels::Epilogue& e, const Tensor& y, const Tensor& dy, const Tensor& expanded, GradSink& grads,
                        const Pool& pool) = 0;

  const std::string_view op;
  const std::vector<Var> inputs;
  const Shape rows;
  const ColumnsPtr columns;
  const Dtype dtype;
};

/// The value of a head, not computed yet: a residual, a map and a max window that follow extend it.
Var defer_chain(std::shared_ptr<ChainHead> head);

}  // namespace weft
