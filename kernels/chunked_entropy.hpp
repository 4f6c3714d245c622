#pragma once

#include <cstdint>

#include <weft/core/tensor.hpp>

namespace weft::kernels {

// Cross-entropy over a vocabulary that comes in chunks of rows: logits [lead…, rows, N] of the rows [first, first + rows). An online
// log Σ exp (Milakov and Gimelshein 2018, arXiv 1805.02867) keeps the largest logit so far and the sum relative to it.

/// What one chunk leaves for the next; each (f64) has one row for each leading row.
struct RunningEntropy {
  Tensor top;     ///< the largest logit
  Tensor sum;     ///< Σ exp(logit - top)
  Tensor picked;  ///< the logit of the target
};

/// Takes in the chunk that begins at vocabulary row `first`; the one at 0 begins the sums. Its logits become exp(logit - running.top).
void take_chunk(const Tensor& logits, std::int64_t first, const Tensor& targets, const RunningEntropy& running);
/// logits = exp(logits - top), top (f64) with one row for each leading row.
void exp_below(const Tensor& logits, const Tensor& top);
/// After all chunks: log_sum = log Σ exp of all logits, and the sum over counted rows (CountedRows) whose target is not `ignore` of
/// log_sum - picked. `loss` (f64) gets each of them, 0 where nothing is counted.
double finish_entropy(const Tensor& x, const Tensor& targets, std::int32_t ignore, const RunningEntropy& running, const Tensor& log_sum,
                      const Tensor& loss);
/// terms = scale·(softmax - onehot) of one chunk, zero where nothing is counted, from terms = exp(logits - top).
void chunk_grad(const Tensor& terms, const Tensor& top, std::int64_t first, const Tensor& targets, std::int32_t ignore,
                const Tensor& log_sum, double scale);

}  // namespace weft::kernels
