#include <weft/apps/support/text_batches.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <weft/apps/support/image_batches.hpp>
#include <weft/core/random.hpp>
#include <weft/data/text_loader.hpp>
#include <weft/data/token_loader.hpp>

namespace weft {

namespace {

std::uint64_t hash_of(const std::vector<std::int32_t>& ids) {
  return hash_name({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(std::int32_t)});
}

std::uint64_t hash_of(const Vocabulary& vocabulary) {
  std::string lines;
  for (const std::string& word : vocabulary.words()) lines += word + '\n';
  return hash_name(lines);
}

/// What all ids [T, 1, N] have in common.
template <class Data>
TrainingData ids_of(const Data& data, const RunOptions& options) {
  TrainingData batches;
  batches.name = data.name, batches.source = data.source, batches.vocabulary = data.vocabulary;
  batches.input = {options.steps, 1};
  batches.dtype = Dtype::i32;
  return batches;
}

}  // namespace

TrainingData text_batches(const TextData& data, const RunOptions& options) {
  const TextLoaderOptions training{.batch = options.batch,
                                   .steps = options.steps,
                                   .seed = options.seed,
                                   .padding = data.vocabulary.id(kPaddingWord),
                                   .unknown = data.vocabulary.id(kUnknownWord),
                                   .word_dropout = options.word_dropout,
                                   .last = options.drop_last ? LastBatch::drop : LastBatch::keep,
                                   .lanes = lanes_of(options)};
  TrainingData batches = ids_of(data, options);
  batches.samples = "texts";
  batches.train_size = data.train.size(), batches.validation_size = data.validation.size(), batches.test_size = data.test.size();
  batches.fingerprint = hash_of(data.train.ids) ^ hash_of(data.train.labels) ^ hash_of(data.vocabulary);
  batches.train = std::make_unique<TextLoader>(data.train, training);
  batches.test = std::make_unique<TextLoader>(data.test, training.for_evaluation());
  if (data.validation.size() > 0) batches.validation = std::make_unique<TextLoader>(data.validation, training.for_evaluation());
  return batches;
}

TrainingData token_batches(const TokenData& data, const RunOptions& options) {
  const TokenLoaderOptions training{.batch = options.batch,
                                    .steps = options.steps,
                                    .seed = options.seed,
                                    .before = data.vocabulary.id(kEndOfLine),
                                    .lanes = lanes_of(options)};
  TrainingData batches = ids_of(data, options);
  batches.samples = "tokens", batches.part = 16384;
  batches.train_size = static_cast<std::int64_t>(data.train.size()), batches.validation_size = static_cast<std::int64_t>(data.valid.size());
  batches.test_size = static_cast<std::int64_t>(data.test.size());
  batches.fingerprint = hash_of(data.train) ^ hash_of(data.vocabulary);
  batches.train = std::make_unique<TokenLoader>(data.train, training);
  batches.validation = std::make_unique<TokenLoader>(data.valid, training.for_evaluation());
  batches.test = std::make_unique<TokenLoader>(data.test, training.for_evaluation());
  batches.measure = Measure::perplexity;
  return batches;
}

}  // namespace weft
