#pragma once

#include <weft/apps/support/config.hpp>
#include <weft/apps/support/training_data.hpp>
#include <weft/data/text_set.hpp>
#include <weft/data/tokens.hpp>

namespace weft {

/// Labelled texts, shuffled and with words dropped in training: ids [T, 1, N], T at most --steps, to classes [1, N]. `data` must outlive
/// the result. Throws UsageError as TextLoader.
TrainingData text_batches(const TextData& data, const RunOptions& options);

/// A text as --batch streams, --steps tokens a batch: ids [T, 1, N] to the ids that follow them; a network carries its state from batch to
/// batch. Judged by perplexity, on the set's own validation part. `data` must outlive the result. Throws UsageError as TokenLoader.
TrainingData token_batches(const TokenData& data, const RunOptions& options);

}  // namespace weft
