#pragma once

#include <cstdint>

#include <weft/core/tensor.hpp>

namespace weft::kernels {

// Element by element over equal rows and columns, padding included. Inputs may be row views; y is contiguous and may be an input.

enum class Binary : std::uint8_t { add, subtract, multiply, divide, maximum, minimum };
const char* name_of(Binary op);

/// y = a op b. maximum and minimum take a where the two are equal.
void binary(Binary op, const Tensor& a, const Tensor& b, const Tensor& y);
/// The gradient of a op b with respect to a (`side` 0) or b (1), from both operands and dy.
void binary_grad(Binary op, int side, const Tensor& a, const Tensor& b, const Tensor& dy, const Tensor& dx);
/// y = scale·x + shift.
void affine(double scale, const Tensor& x, double shift, const Tensor& y);
/// y = x, whatever the integer or floating type.
void copy(const Tensor& x, const Tensor& y);

}  // namespace weft::kernels
