#include <weft/data/token_loader.hpp>

#include <algorithm>

#include <weft/core/error.hpp>
#include <weft/core/random.hpp>
#include <weft/core/text.hpp>

namespace weft {

TokenLoader::TokenLoader(const std::vector<std::int32_t>& tokens, TokenLoaderOptions options) : tokens_(&tokens), options_(options) {
  if (options.batch < 1 || options.steps < 1)
    throw UsageError({.op = "token loader",
                      .what = cat("batch is ", options.batch, " and steps is ", options.steps),
                      .hint = "give at least 1 of each"});
  const auto count = static_cast<std::int64_t>(tokens.size());
  const std::int64_t streams = options.batch, steps = options.steps;
  batches_ = options.shuffle == Shuffle::yes ? (count - (steps - 1)) / streams / steps : (count + streams * steps - 1) / (streams * steps);
  if (count == 0 || batches_ < 1)
    throw UsageError({.op = "token loader",
                      .what = cat("the text has ", count, " tokens, a batch takes ", streams, " streams of ", steps),
                      .hint = "give a smaller batch, fewer steps or a longer text"});
  columns_ = sample_columns(streams, options.lanes);
}

void TokenLoader::begin(std::int64_t epoch, std::int64_t first_batch) {
  if (epoch < 0 || first_batch < 0 || first_batch > batches_)
    throw UsageError({.op = "token loader",
                      .what = cat("begin at epoch ", epoch, ", batch ", first_batch, ": an epoch has batches 0 to ", batches_),
                      .hint = "a resumed run must keep its batch size"});
  const bool moved = options_.shuffle == Shuffle::yes && epoch > 0;
  const Random draws(options_.seed, hash_name("token_loader/start"));
  start_ = moved ? draws.below(static_cast<std::uint64_t>(epoch), static_cast<std::uint32_t>(options_.steps)) : 0;
  to_give_ = first_batch;
}

TokenLoader::Stream TokenLoader::stream(std::int64_t column) const {
  const auto count = static_cast<std::int64_t>(tokens_->size());
  const std::int64_t streams = options_.batch, taken = batches_ * options_.steps;
  if (options_.shuffle == Shuffle::yes) return {start_ + column * taken, start_ + (column + 1) * taken};
  return {column * count / streams, (column + 1) * count / streams};
}

bool TokenLoader::next(Batch& out) {
  if (to_give_ >= batches_) return false;
  const Shape rows{options_.steps, 1};
  out = {};
  out = {Tensor::tiled(Dtype::i32, rows, columns_, pool_), Tensor::tiled(Dtype::i32, rows, columns_, pool_)};
  std::int32_t* const x = out.x.data<std::int32_t>();
  std::int32_t* const targets = out.targets.data<std::int32_t>();
  for (std::int64_t lane = 0; lane < columns_->padded(); ++lane) {
    const auto [begin, end] = stream(std::min(lane, columns_->count - 1));
    for (std::int64_t step = 0; step < options_.steps; ++step) {
      const std::int64_t token = begin + to_give_ * options_.steps + step, row = lane / columns_->lanes * options_.steps + step;
      const std::int64_t at = row * columns_->lanes + lane % columns_->lanes;
      const std::int64_t previous = std::min(token, end) - 1;  // behind its end a stream repeats its last token
      x[at] = previous < 0 ? options_.before : (*tokens_)[static_cast<std::size_t>(previous)];
      targets[at] = token < end ? (*tokens_)[static_cast<std::size_t>(token)] : kIgnored;
    }
  }
  ++to_give_;
  return true;
}

}  // namespace weft
