#pragma once

#include <cstdint>

#include <weft/autograd/tape.hpp>
#include <weft/core/lattice.hpp>

namespace weft {

// The conventional formulation of the linear layers: im2col and GEMM, no sparse pattern. The same functions of the same
// numbers as their sparse form. `bias` may be an undefined Var, else a plain tensor [C_out]. All throw ShapeError when their inputs do
// not fit.

/// W·X + b over the last row axis, for each leading row. weight: ValueLayout{dense, out, in}, one slot.
Var native_linear(Var weight, Var bias, Var x, std::int64_t out);
/// Convolution by im2col and GEMM. weight: one slot per group, ValueLayout{dense, c_out/g, k*k*c_in/g}, column = tap*(c_in/g) + channel.
Var native_conv2d(Var weight, Var bias, Var x, Lattice in, int c_out, patterns::Conv2dOptions options);
/// The same over a series [T, c_in, N]. weight: one slot per group, ValueLayout{dense, c_out/g, k*c_in/g}.
Var native_conv1d(Var weight, Var bias, Var x, int length, int c_in, int c_out, patterns::Conv1dOptions options);
/// Transposed convolution by GEMM and col2im. weight: one slot per group, ValueLayout{dense, k*k*c_out/g, c_in/g}, row = tap*(c_out/g) +
/// channel.
Var native_conv_transpose2d(Var weight, Var bias, Var x, Lattice in, int c_out, patterns::Conv2dOptions options, int output_pad);
/// Row ids[…, n] of a dense table in column n; the gradient is scatter-added. table: ValueLayout{dense, vocabulary, dim}, one slot.
/// Throws UsageError for ids that are not i32 in [0, vocabulary).
Var native_embedding(Var table, const Tensor& ids, std::int64_t vocabulary, std::int64_t dim);
/// The mean of each window, padding counted.
Var native_avg_pool2d(Var x, Lattice in, patterns::Pool2dOptions options);

}  // namespace weft
