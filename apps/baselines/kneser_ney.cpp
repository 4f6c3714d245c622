#include <weft/apps/baselines/kneser_ney.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

std::uint64_t key_of(std::int64_t context, std::int32_t word) {
  return static_cast<std::uint64_t>(context) << 32 | static_cast<std::uint32_t>(word);
}
std::size_t context_of(std::uint64_t key) { return static_cast<std::size_t>(key >> 32); }

void check_words(const std::vector<std::int32_t>& text, std::int32_t words) {
  for (const std::int32_t id : text)
    if (id < 0 || id >= words) throw UsageError({.op = "kneser_ney", .what = cat("id ", id, " is outside [0, ", words, ")")});
}

/// n1 / (n1 + 2 n2); 1/2 where no count is 1, for what has not been seen must keep a share.
double discount_of(const std::vector<std::int32_t>& counts) {
  const auto once = static_cast<double>(std::count(counts.begin(), counts.end(), 1));
  const auto twice = static_cast<double>(std::count(counts.begin(), counts.end(), 2));
  return once == 0 ? 0.5 : once / (once + 2 * twice);
}

}  // namespace

KneserNey::KneserNey(const std::vector<std::int32_t>& text, std::int32_t words, std::int32_t before, int order)
    : words_(words), before_(before) {
  if (order < 1 || words < 1)
    throw UsageError({.op = "kneser_ney", .what = cat("order is ", order, " and words is ", words), .hint = "give at least 1 of each"});
  check_words(text, words);
  check_words({before}, words);
  std::vector<std::int32_t> line{before};
  line.insert(line.end(), text.begin(), text.end());

  orders_.resize(1);
  orders_[0].keys.resize(static_cast<std::size_t>(words));
  std::iota(orders_[0].keys.begin(), orders_[0].keys.end(), 0);
  orders_[0].counts.resize(static_cast<std::size_t>(words));
  for (const std::int32_t word : text) ++orders_[0].counts[static_cast<std::size_t>(word)];
  std::vector<std::int32_t> ranks = line;
  for (int n = 2; n <= order; ++n) ranks = add_order(line, ranks);
  smooth();
}

/// Adds the sequences of one word more, given the rank of the one that ends at each word of the line (-1 where it would begin before the
/// line); turns the counts of the shorter ones into numbers of different words before them. Gives the new ranks.
std::vector<std::int32_t> KneserNey::add_order(const std::vector<std::int32_t>& line, const std::vector<std::int32_t>& shorter) {
  const std::size_t first = orders_.size();  // the end of the line's first sequence
  Order longer;
  for (std::size_t i = first; i < line.size(); ++i) longer.keys.push_back(key_of(shorter[i - 1], line[i]));
  std::sort(longer.keys.begin(), longer.keys.end());
  longer.keys.erase(std::unique(longer.keys.begin(), longer.keys.end()), longer.keys.end());
  longer.counts.resize(longer.keys.size());
  std::vector<std::int32_t>& before = orders_.back().counts;
  std::fill(before.begin(), before.end(), 0);
  std::vector<std::int32_t> ranks(line.size(), -1);
  for (std::size_t i = first; i < line.size(); ++i) {
    const auto found = std::lower_bound(longer.keys.begin(), longer.keys.end(), key_of(shorter[i - 1], line[i]));
    ranks[i] = static_cast<std::int32_t>(found - longer.keys.begin());
    if (longer.counts[static_cast<std::size_t>(ranks[i])]++ == 0) ++before[static_cast<std::size_t>(shorter[i])];
  }
  orders_.push_back(std::move(longer));
  return ranks;
}

void KneserNey::smooth() {
  std::size_t contexts = 1;
  for (Order& order : orders_) {
    order.discount = discount_of(order.counts);
    order.sums.resize(contexts);
    order.kinds.resize(contexts);
    for (std::size_t i = 0; i < order.keys.size(); ++i) {
      order.sums[context_of(order.keys[i])] += order.counts[i];
      order.kinds[context_of(order.keys[i])] += order.counts[i] > 0 ? 1 : 0;
    }
    contexts = order.keys.size();
  }
}

/// The rank of the n words that end in `word` behind a context of n - 1; -1 if they do not occur.
std::int64_t KneserNey::find(int n, std::int64_t context, std::int32_t word) const {
  const std::vector<std::uint64_t>& keys = orders_[static_cast<std::size_t>(n - 1)].keys;
  const auto found = std::lower_bound(keys.begin(), keys.end(), key_of(context, word));
  return found != keys.end() && *found == key_of(context, word) ? found - keys.begin() : -1;
}

double KneserNey::probability(const std::int32_t* history, std::int64_t length, std::int32_t word) const {
  double p = 1.0 / words_;
  for (int n = 1; n <= static_cast<int>(orders_.size()) && n - 1 <= length; ++n) {
    std::int64_t context = 0;
    for (int k = 1; k < n && context >= 0; ++k) context = find(k, context, history[length - n + k]);
    if (context < 0) break;  // nor does a longer one occur
    const Order& order = orders_[static_cast<std::size_t>(n - 1)];
    const auto at = static_cast<std::size_t>(context);
    if (order.sums[at] == 0) continue;
    const std::int64_t rank = find(n, context, word);
    const double count = rank < 0 ? 0 : order.counts[static_cast<std::size_t>(rank)];
    p = (std::max(count - order.discount, 0.0) + order.discount * order.kinds[at] * p) / static_cast<double>(order.sums[at]);
  }
  return p;
}

double KneserNey::perplexity(const std::vector<std::int32_t>& text) const {
  check_words(text, words_);
  std::vector<std::int32_t> line{before_};
  line.insert(line.end(), text.begin(), text.end());
  double sum = 0;
  for (std::size_t i = 1; i < line.size(); ++i) sum -= std::log(probability(line.data(), static_cast<std::int64_t>(i), line[i]));
  return std::exp(sum / static_cast<double>(text.size()));
}

double KneserNey::discount(int n) const { return orders_.at(static_cast<std::size_t>(n - 1)).discount; }

double kneser_ney_perplexity(const TokenData& data) {
  return KneserNey(data.train, data.vocabulary.size(), data.vocabulary.id(kEndOfLine)).perplexity(data.test);
}

}  // namespace weft
