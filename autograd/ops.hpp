#pragma once

#include <cstdint>
#include <vector>

#include <weft/autograd/ops/glue.hpp>
#include <weft/autograd/tape.hpp>
#include <weft/autograd/var.hpp>
#include <weft/core/shape.hpp>
#include <weft/core/sparse_pattern.hpp>
#include <weft/kernels/maps.hpp>

namespace weft {

// Shapes: [rows…, N] throughout; ops require equal Columns and pass them on. Every op throws ShapeError when its inputs do not fit.

// ---- products (ops/product.cpp) ----

/// Y = S(values)·X + bias, the one differentiable product; X has pattern.cols() rows, Y has rows `out`. `bias` may be an
/// undefined Var, else a plain tensor whose length divides the rows: it repeats, so [C_out] is added at every pixel.
/// The product stays pending so that what follows (residual, map, max pooling) runs inside it.
Var spmm(const PatternPtr& pattern, Var values, Var bias, Var x, Shape out);
/// f(x), element by element: extends a pending product, or records.
Var map_op(Var x, kernels::MapCall call);
/// Maximum over kernel x kernel windows of an image-like value; extends a pending product where windows do not overlap.
/// The first maximum of a window takes the gradient.
Var max_pool2d(Var x, Lattice in, int kernel, int stride, int pad);

// ---- reductions (ops/reductions.cpp): over all rows of each column, result [1, N] ----
Var sum_rows(Var x);
Var mean_rows(Var x);
Var max_rows(Var x);
Var min_rows(Var x);
/// The sum over all rows and valid columns: a plain scalar.
Var sum(Var x);
/// The mean over all rows and valid columns: a plain scalar.
Var mean(Var x);

// ---- softmax (ops/softmax.cpp): over the last row axis ----
Var softmax(Var x);
Var log_softmax(Var x);

// ---- losses (ops/losses.cpp) ----
struct CrossEntropyOptions {
  double label_smoothing = 0;
  std::int32_t ignore_index = -100;  ///< targets with this value enter neither sum nor count
};
/// A loss as (sum, count), so that splitting a batch changes neither; `mean()` divides.
struct Loss {
  Var sum;             ///< plain scalar
  std::int64_t count;  ///< targets that entered
  /// sum / count as a scalar on the tape; 0 when nothing entered.
  Var mean() const;
};
/// -log softmax(logits)[target] over the last row axis, summed over the other rows and valid columns. `targets`: i32, rows = logits' rows
/// less the last axis (or 1 in its place). Throws ShapeError, and UsageError for a target outside [0, classes) that is not ignored.
Loss cross_entropy(Var logits, const Tensor& targets, CrossEntropyOptions options = {});
/// Squared differences summed over all rows and valid columns; count = rows·N.
Loss mse(Var prediction, const Tensor& target);

// ---- norms (ops/norms.cpp) ----
/// Running statistics of a batch norm: plain [C] each; updated in training with `momentum`, read in eval.
struct BatchStatistics {
  Tensor mean, variance;
  double momentum = 0.1;
};
/// Per channel (last row axis) over all other rows and valid columns: gamma·(x-mean)/sqrt(var+eps)+beta. gamma, beta: plain [C].
Var batch_norm(Var x, Var gamma, Var beta, const BatchStatistics& running, double eps);
/// Over the last row axis of each column (and leading row).
Var layer_norm(Var x, Var gamma, Var beta, double eps);

// ---- dropout (ops/dropout.cpp) ----
/// In training zeroes a share p and scales the rest by 1/(1-p); the draw keys on (seed, step, layer path, row, global column).
Var dropout(Var x, double p);

}  // namespace weft
