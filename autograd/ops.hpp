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

// ---- lookup (ops/embedding.cpp) ----
/// Row ids[…, n] of the matrix S(table) [V, d] in column n: Sᵀ times one-hot columns. ids: i32 [lead…, 1, N] in [0, V), result
/// [lead…, d, N]. The gradient of the table adds what arrives at an id by leading row, then by column. Throws UsageError for other ids.
Var embedding(const PatternPtr& pattern, Var table, const Tensor& ids);

// ---- reductions (ops/reductions.cpp): over all rows of each column, result [1, N] ----
Var sum_rows(Var x);
Var mean_rows(Var x);
Var max_rows(Var x);
Var min_rows(Var x);
/// The sum over all rows and valid columns: a plain scalar.
Var sum(Var x);
/// The mean over all rows and valid columns: a plain scalar.
Var mean(Var x);

// ---- over time (ops/steps.cpp): one result for each line of steps, rows without the time axis; steps below a column's length count ----

/// Where a tensor has its steps: [T, C, N] or [C, T, N].
enum class TimeAxis : std::uint8_t { first, last };
/// A column of length 0 gives 0 and takes no gradient.
Var mean_steps(Var x, TimeAxis time);
/// The first largest step takes the gradient.
Var max_steps(Var x, TimeAxis time);
Var last_step(Var x, TimeAxis time);
/// x at each of `steps` steps, whatever the lengths: a new axis, first or last.
Var repeat_steps(Var x, std::int64_t steps, TimeAxis time);

// ---- softmax (ops/softmax.cpp): over the last row axis ----
Var softmax(Var x);
Var log_softmax(Var x);

// ---- losses (ops/losses.cpp) ----
// Sums over valid columns. Where the Columns carry lengths, the first of two or more row axes is time: steps at or beyond a column's
// length enter neither sum nor count, and their gradient is zero.
struct CrossEntropyOptions {
  double label_smoothing = 0;
  std::int32_t ignore_index = -100;  ///< targets with this value enter neither sum nor count
};
/// A loss as (sum, count), so that splitting a batch changes neither; `mean()` divides.
struct Loss {
  Var sum;             ///< plain scalar
  std::int64_t count;  ///< targets that entered
  Tensor each = {};    ///< linear_cross_entropy's: the loss of each target, f64 [lead…, N]; 0 where it did not enter
  /// sum / count as a scalar on the tape; 0 when nothing entered.
  Var mean() const;
};
/// -log softmax(logits)[target] over the last row axis, summed over the other rows. `targets`: i32, rows = logits' rows
/// less the last axis (or 1 in its place). Throws ShapeError, and UsageError for a target outside [0, classes) that is not ignored.
Loss cross_entropy(Var logits, const Tensor& targets, CrossEntropyOptions options = {});
/// cross_entropy(S(values)·x + bias, targets) for many classes, without all logits at once: rows of S come in chunks of whole block rows,
/// of about 8 MiB of logits. Their exponentials are kept for backward where S has fewer than 256 columns and all of them take no more
/// than 256 MiB, else computed again. x is [lead…, S.cols(), N]; `bias` may be an undefined Var. Where blocks are tied there is one chunk.
/// Throws as cross_entropy, and ShapeError as repeat_diagonal where x has several leading rows.
Loss linear_cross_entropy(const PatternPtr& pattern, Var values, Var bias, Var x, const Tensor& targets, std::int32_t ignore_index = -100);
/// Σ (x - target)²; count: the values summed. All four throw ShapeError and UsageError where the target does not fit the prediction.
Loss mse(Var prediction, const Tensor& target);
/// Σ |x - target|; the gradient of an exact hit is zero.
Loss mae(Var prediction, const Tensor& target);
/// Σ of (x - target)²/2 up to a distance of delta and delta·(|x - target| - delta/2) beyond (Huber 1964). Throws UsageError unless
/// delta > 0.
Loss huber(Var prediction, const Tensor& target, double delta);
/// Σ -t·log σ(x) - (1-t)·log(1-σ(x)) for targets t in [0, 1], computed from the logits x without overflow.
Loss bce_with_logits(Var logits, const Tensor& target);

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
