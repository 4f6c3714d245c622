#pragma once

#include <functional>
#include <memory>
#include <string>

#include <weft/core/tensor.hpp>

namespace weft {

/// A trained array: its value and gradient in the layout the kernels want, and how it looks to everybody else.
struct Parameter {
  std::string name;  ///< the scope path, "body/c1/weight"
  Tensor value;      ///< plain, in kernel layout
  Tensor grad;       ///< same layout; where backward leaves the gradient (a view of the store's arena)
  bool trainable = true;
  bool decay = true;    ///< weight decay applies (false for biases and norms)
  double lr_scale = 1;  ///< multiplies the learning rate

  /// The field's shape, e.g. [out, in, kh, kw], and the conversions to it and back; none when the layouts agree.
  Shape shape;
  std::function<Tensor(const Tensor& stored)> to_field;
  std::function<Tensor(const Tensor& field)> from_field;

  /// The value (or gradient) as a plain row-major array of `shape`.
  Tensor field_value() const { return to_field ? to_field(value) : value.clone().reshape_rows(shape); }
  Tensor field_grad() const { return to_field ? to_field(grad) : grad.clone().reshape_rows(shape); }
};

using ParamPtr = std::shared_ptr<Parameter>;

}  // namespace weft
