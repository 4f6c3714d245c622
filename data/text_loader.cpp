#include <weft/data/text_loader.hpp>

#include <algorithm>
#include <numeric>
#include <utility>

#include <weft/core/columns.hpp>
#include <weft/core/error.hpp>
#include <weft/core/random.hpp>
#include <weft/core/text.hpp>

namespace weft {

TextLoader::TextLoader(const TextSet& set, TextLoaderOptions options) : set_(&set), options_(options) {
  check_consistent(set, "text loader");
  if (options.batch < 1 || options.steps < 1)
    throw UsageError(
        {.op = "text loader", .what = cat("batch is ", options.batch, " and steps is ", options.steps), .hint = "give at least 1 of each"});
  if (!(options.word_dropout >= 0 && options.word_dropout < 1))
    throw UsageError({.op = "text loader",
                      .what = cat("word_dropout is ", options.word_dropout),
                      .hint = "give a probability of at least 0 and less than 1"});
}

std::int64_t TextLoader::batches() const {
  const std::int64_t rest = set_->size() % options_.batch;
  return set_->size() / options_.batch + (options_.last == LastBatch::keep && rest > 0 ? 1 : 0);
}

void TextLoader::begin(std::int64_t epoch, std::int64_t first_batch) {
  if (epoch < 0 || first_batch < 0 || first_batch > batches())
    throw UsageError({.op = "text loader",
                      .what = cat("begin at epoch ", epoch, ", batch ", first_batch, ": an epoch has batches 0 to ", batches()),
                      .hint = "a resumed run must keep its batch size"});
  epoch_ = epoch;
  to_give_ = first_batch;
  draw_order();
}

/// Fisher-Yates on a stream of its own for each epoch.
void TextLoader::draw_order() {
  order_.resize(static_cast<std::size_t>(set_->size()));
  std::iota(order_.begin(), order_.end(), 0);
  if (options_.shuffle == Shuffle::no) return;
  const Random draws(options_.seed, hash_name(cat("text_loader/order/", epoch_)));
  for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[draws.below(i, static_cast<std::uint32_t>(i))]);
}

std::int32_t TextLoader::length(std::int64_t text) const {
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(static_cast<std::int64_t>(set_->text(text).size()), 1, options_.steps));
}

/// Token `step` of the text at a position of the epoch.
std::int32_t TextLoader::token(std::int64_t position, std::int64_t step, const Random& drops) const {
  const std::int64_t text = order_[static_cast<std::size_t>(position)];
  const std::span<const std::int32_t> tokens = set_->text(text);
  if (step >= length(text)) return options_.padding;
  if (tokens.empty()) return options_.unknown;
  const auto draw = static_cast<std::uint64_t>(position * options_.steps + step);
  const bool drop = options_.word_dropout > 0 && drops.uniform(draw) < options_.word_dropout;
  return drop ? options_.unknown : tokens[static_cast<std::size_t>(step)];
}

bool TextLoader::next(Batch& out) {
  if (to_give_ >= batches()) return false;
  const std::int64_t first = to_give_ * options_.batch, count = std::min<std::int64_t>(options_.batch, set_->size() - first);
  std::vector<std::int32_t> lengths;
  for (std::int64_t n = 0; n < count; ++n) lengths.push_back(length(order_[static_cast<std::size_t>(first + n)]));
  const std::int64_t steps = *std::max_element(lengths.begin(), lengths.end());
  const ColumnsPtr columns = sample_columns(std::move(lengths), options_.lanes);
  out = {};
  out = {Tensor::tiled(Dtype::i32, {steps, 1}, columns, pool_), Tensor::tiled(Dtype::i32, {1}, columns, pool_)};
  std::int32_t* const x = out.x.data<std::int32_t>();
  std::int32_t* const targets = out.targets.data<std::int32_t>();
  const Random drops(options_.seed, hash_name(cat("text_loader/drop/", epoch_)));
  for (std::int64_t lane = 0; lane < columns->padded(); ++lane) {
    const std::int64_t position = first + std::min(lane, count - 1);
    const std::int64_t tile = lane / columns->lanes, within = lane % columns->lanes;
    for (std::int64_t step = 0; step < steps; ++step) x[(tile * steps + step) * columns->lanes + within] = token(position, step, drops);
    targets[lane] = set_->labels[static_cast<std::size_t>(order_[static_cast<std::size_t>(position)])];
  }
  ++to_give_;
  return true;
}

}  // namespace weft
