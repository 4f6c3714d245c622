#pragma once

#include <cstdint>

#include <weft/core/tensor.hpp>

namespace weft::kernels {

// Over the time axis of each column. Rows are [outer, steps, inner]; a result over all steps has rows [outer, inner]. Where Columns carry
// lengths, only the steps below a column's length are read; a column of length 0 gives 0.

/// How the rows of a tensor split around its time axis.
struct StepAxis {
  std::int64_t outer, steps, inner;
};

/// y = the mean of the steps, summed in double; dx = dy / length in the steps that were read, 0 elsewhere.
void mean_steps(const StepAxis& axis, const Tensor& x, const Tensor& y);
void mean_steps_grad(const StepAxis& axis, const Tensor& dy, const Tensor& dx);
/// y = the largest of the steps; `where` (i32) gets the first step that holds it, -1 for a column of length 0.
void max_steps(const StepAxis& axis, const Tensor& x, const Tensor& y, const Tensor& where);
/// y = the last step; `where` as above.
void last_step(const StepAxis& axis, const Tensor& x, const Tensor& y, const Tensor& where);
/// dx = dy at step `where`, 0 elsewhere.
void place_step(const StepAxis& axis, const Tensor& where, const Tensor& dy, const Tensor& dx);
/// Every step of y is x, whatever the lengths; dx = Σ over all steps of dy, in double.
void repeat_steps(const StepAxis& axis, const Tensor& x, const Tensor& y);
void repeat_steps_grad(const StepAxis& axis, const Tensor& dy, const Tensor& dx);

}  // namespace weft::kernels
