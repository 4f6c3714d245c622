#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/apps/baselines/kneser_ney.hpp>
#include <weft/core/error.hpp>
#include <weft/core/random.hpp>
#include <weft/data/tokens.hpp>

using namespace weft;

namespace {

using Ids = std::vector<std::int32_t>;

double probability(const KneserNey& model, const Ids& history, std::int32_t word) {
  return model.probability(history.data(), static_cast<std::int64_t>(history.size()), word);
}

/// The definition, by sets of whole sequences.
class Naive {
 public:
  Naive(const Ids& line, int words, int order) : words_(words), counts_(static_cast<std::size_t>(order) + 1) {
    const auto length = static_cast<std::ptrdiff_t>(line.size());
    for (std::ptrdiff_t n = 1; n <= order; ++n) {
      std::map<Ids, std::set<std::int32_t>> before;
      for (std::ptrdiff_t end = std::max<std::ptrdiff_t>(n, 2); end <= length; ++end) {
        const Ids gram(line.begin() + end - n, line.begin() + end);
        if (n == order) ++counts_[static_cast<std::size_t>(n)][gram];
        else if (end > n) before[gram].insert(line[static_cast<std::size_t>(end - n - 1)]);
      }
      for (const auto& [gram, kinds] : before) counts_[static_cast<std::size_t>(n)][gram] = static_cast<double>(kinds.size());
    }
  }

  double discount(std::size_t n) const {
    double once = 0, twice = 0;
    for (const auto& [gram, count] : counts_[n]) once += count == 1 ? 1 : 0, twice += count == 2 ? 1 : 0;
    return once == 0 ? 0.5 : once / (once + 2 * twice);
  }

  double probability(Ids history, std::int32_t word) const {
    if (history.size() + 1 >= counts_.size())
      history.erase(history.begin(), history.end() - static_cast<std::ptrdiff_t>(counts_.size() - 2));
    return of_order(history.size() + 1, history, word);
  }

 private:
  double of_order(std::size_t n, const Ids& history, std::int32_t word) const {
    if (n == 0) return 1.0 / words_;
    const double lower = of_order(n - 1, n > 1 ? Ids(history.begin() + 1, history.end()) : Ids(), word);
    double sum = 0, kinds = 0, count = 0;
    for (const auto& [gram, of_gram] : counts_[n])
      if (std::equal(history.begin(), history.end(), gram.begin())) {
        sum += of_gram, kinds += 1;
        if (gram.back() == word) count = of_gram;
      }
    if (sum == 0) return lower;
    return std::max(count - discount(n), 0.0) / sum + discount(n) * kinds / sum * lower;
  }

  int words_;
  std::vector<std::map<Ids, double>> counts_;  // by length
};

}  // namespace

TEST_CASE("bigrams of 'a b a b a c' by hand") {
  enum : std::int32_t { a, b, c, end };
  const KneserNey model({a, b, a, b, a, c}, 4, end, 2);
  CHECK(model.discount(1) == 0.5);                       // different words before a, b, c: 2, 1, 1
  CHECK(model.discount(2) == doctest::Approx(1.0 / 3));  // end a, a b twice, b a twice, a c
  CHECK(probability(model, {}, a) == doctest::Approx(0.46875));
  CHECK(probability(model, {}, b) == doctest::Approx(0.21875));
  CHECK(probability(model, {}, end) == doctest::Approx(0.09375));
  CHECK(probability(model, {a}, b) == doctest::Approx(5.0 / 9 + 2.0 / 9 * 0.21875));
  CHECK(probability(model, {a}, c) == doctest::Approx(2.0 / 9 + 2.0 / 9 * 0.21875));
  CHECK(probability(model, {a}, a) == doctest::Approx(2.0 / 9 * 0.46875));
  CHECK(probability(model, {c}, a) == doctest::Approx(0.46875));
  const double two = probability(model, {end}, a) * probability(model, {a}, c);
  CHECK(model.perplexity({a, c}) == doctest::Approx(1 / std::sqrt(two)));
}

TEST_CASE("every order agrees with the definition, and what follows any history sums to 1") {
  constexpr int kWords = 5;
  const Random draws(1, 2);
  Ids text;
  for (std::uint64_t i = 0; i < 150; ++i)
    text.push_back(static_cast<std::int32_t>(std::min(draws.below(2 * i, 4), draws.below(2 * i + 1, 4))));
  Ids line{kWords - 1};
  line.insert(line.end(), text.begin(), text.end());
  for (int order = 1; order <= 5; ++order) {
    CAPTURE(order);
    const KneserNey model(text, kWords, kWords - 1, order);
    const Naive naive(line, kWords, order);
    for (int n = 1; n <= order; ++n) CHECK(model.discount(n) == doctest::Approx(naive.discount(static_cast<std::size_t>(n))));
    for (std::uint64_t i = 0; i < 200; ++i) {
      Ids history;
      for (std::uint32_t k = 0; k < i % 7; ++k) history.push_back(static_cast<std::int32_t>(draws.below(1000 + 7 * i + k, kWords)));
      double sum = 0;
      for (std::int32_t word = 0; word < kWords; ++word) {
        const double p = probability(model, history, word);
        CHECK(p == doctest::Approx(naive.probability(history, word)).epsilon(1e-12));
        sum += p;
      }
      CHECK(sum == doctest::Approx(1).epsilon(1e-12));
    }
  }
}

TEST_CASE("a text shorter than the order, and words that never occur") {
  const KneserNey model({0, 1}, 3, 2, 5);
  double sum = 0;
  for (std::int32_t word = 0; word < 3; ++word) sum += probability(model, {2, 0}, word);
  CHECK(sum == doctest::Approx(1));
  CHECK(probability(model, {2, 2, 2}, 2) > 0);
  const KneserNey none(Ids{}, 4, 0);
  CHECK(probability(none, {1}, 3) == 0.25);
}

TEST_CASE("ids outside the vocabulary are refused") {
  CHECK_THROWS_AS(KneserNey({0, 3}, 3, 0), UsageError);
  CHECK_THROWS_AS(KneserNey({0, -1}, 3, 0), UsageError);
  CHECK_THROWS_AS(KneserNey({0}, 3, 3), UsageError);
  CHECK_THROWS_AS(KneserNey({0}, 3, 0, 0), UsageError);
  CHECK_THROWS_AS(KneserNey({0}, 0, 0), UsageError);
  CHECK_THROWS_AS(KneserNey({0}, 3, 0).perplexity({3}), UsageError);
}

TEST_CASE("the perplexities of the real sets") {
  const char* root = std::getenv("WEFT_DATA");
  if (root == nullptr) return;
  struct Known {
    TokenSet set;
    const char* folder;
    double perplexity;
  };
  for (const Known& known : {Known{TokenSet::ptb, "ptb", 143.66}, Known{TokenSet::wikitext2, "wikitext2", 223.69}}) {
    const std::string folder = (std::filesystem::path(root) / known.folder).string();
    if (!missing_token_files(folder, known.set).empty()) continue;
    const TokenData data = load_tokens(folder, known.set);
    const KneserNey model(data.train, data.vocabulary.size(), data.vocabulary.id(kEndOfLine));
    CHECK(model.perplexity(data.test) == doctest::Approx(known.perplexity).epsilon(1e-4));
  }
}
