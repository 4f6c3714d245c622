#pragma once

#include <cstdint>
#include <functional>

#include <weft/core/tensor.hpp>

namespace weft::kernels {

// Sequences in columns of different lengths (Columns::lengths). Tensors may be row views; padding lanes do as the last valid column.

/// The step that column n takes, or a negative number for none.
using StepOf = std::function<std::int64_t(std::int64_t n, std::int64_t step)>;
/// y[step] = x[from(n, step)] in each column n, zero where it takes none. x: [steps, rows…], y: [other steps, rows…].
void gather_steps(const Tensor& x, const StepOf& from, const Tensor& y);

/// Zero in the columns that have ended: whose length is `step` or less. x: one step.
void clear_ended(std::int64_t step, const Tensor& x);

}  // namespace weft::kernels
