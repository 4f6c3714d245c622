#pragma once

#include <weft/core/sparse_pattern.hpp>
#include <weft/core/tensor.hpp>
#include <weft/kernels/cells.hpp>
#include <weft/kernels/epilogue.hpp>

namespace weft::kernels {

// The products on a pattern. X has pattern.cols() rows, Y and dY pattern.rows(), all with equal Columns and dtype (f32 or f64);
// values are plain, in the pattern's value layout. Inputs may be row views; outputs are overwritten.
// Each call runs the first row of kernel_table.inc that applies. Throw ShapeError or UsageError.

/// y = epilogue(S(values)·x + bias); bias undefined, or plain with a length that divides the rows (it repeats).
void spmm(const SparsePattern& s, const Tensor& values, const Tensor& bias, const Tensor& x, const Epilogue& e, const Tensor& y);
/// y += S(values)·x: the chains of y's elements go on.
void spmm_add(const SparsePattern& s, const Tensor& values, const Tensor& x, const Tensor& y);
/// The hidden part of a step's last predecessor, S(values)·x, added to step.z or, where they are apart, the last of step.hidden; then the
/// cell, on units whose gates are just written where the kernel can.
void spmm_cell(const SparsePattern& s, const Tensor& values, const Tensor& x, Cell which, const CellStep& step);
/// dx = S(values)ᵀ·dy.
void spmm_t(const SparsePattern& s, const Tensor& values, const Tensor& dy, const Tensor& dx);
/// dx += S(values)ᵀ·dy.
void spmm_t_add(const SparsePattern& s, const Tensor& values, const Tensor& dy, const Tensor& dx);
/// dvalues = (dy·xᵀ) gathered on the pattern, summed over tied blocks, zero where padded or masked; dbias (if defined) = row sums of dy,
/// summed over the rows that share an entry.
void sddmm(const SparsePattern& s, const Tensor& dy, const Tensor& x, const Tensor& dvalues, const Tensor& dbias);

/// What spmm_backward is to compute: undefined tensors are not wanted.
struct ProductGradients {
  Tensor dx, dvalues, dbias, dresidual;
};
/// Both gradients from dy, the gradient of spmm's y: dy is expanded through the epilogue once and both products read it.
void spmm_backward(const SparsePattern& s, const Tensor& values, const Tensor& x, const Epilogue& e, const Tensor& y, const Tensor& dy,
                   const ProductGradients& want, const Pool& pool);

}  // namespace weft::kernels
