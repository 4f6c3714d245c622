#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include <weft/apps/baselines/logistic_regression.hpp>
#include <weft/apps/baselines/tf_idf.hpp>
#include <weft/core/error.hpp>
#include <weft/core/random.hpp>

using namespace weft;

namespace {

using Ids = std::vector<std::int32_t>;

TextSet texts(const std::vector<Ids>& all, const Ids& labels, int classes) {
  TextSet set{.classes = classes, .labels = {}, .ids = {}};
  for (std::size_t i = 0; i < all.size(); ++i) set.add(all[i], labels[i]);
  return set;
}

/// Rows of a dense matrix.
SparseRows sparse(const std::vector<std::vector<double>>& dense) {
  SparseRows rows{.columns = static_cast<std::int32_t>(dense[0].size()), .column = {}, .value = {}};
  for (const std::vector<double>& row : dense) {
    for (std::size_t k = 0; k < row.size(); ++k)
      if (row[k] != 0) rows.column.push_back(static_cast<std::int32_t>(k)), rows.value.push_back(row[k]);
    rows.starts.push_back(static_cast<std::int64_t>(rows.value.size()));
  }
  return rows;
}

}  // namespace

TEST_CASE("weights of three texts by hand; ids below the first word have none") {
  // word 2 in two of three texts, word 3 in one, word 4 in none; 0 and 1 are padding and <unk>
  const TextSet train = texts({{2, 1, 2, 3}, {2}, {1, 1}}, {0, 1, 0}, 2);
  const TfIdf weigh(train, 5, 2);
  const double idf2 = 1 + std::log(4.0 / 3), idf3 = 1 + std::log(4.0 / 2), idf4 = 1 + std::log(4.0);
  const SparseRows rows = weigh(train);
  CHECK(rows.columns == 5);
  CHECK(rows.starts == std::vector<std::int64_t>{0, 2, 3, 3});
  CHECK(rows.column == Ids{2, 3, 2});
  const double first = (1 + std::log(2.0)) * idf2, length = std::sqrt(first * first + idf3 * idf3);
  CHECK(rows.value[0] == doctest::Approx(first / length));
  CHECK(rows.value[1] == doctest::Approx(idf3 / length));
  CHECK(rows.value[2] == doctest::Approx(1));
  const SparseRows other = weigh(texts({{4, 3}}, {0}, 2));
  CHECK(other.value[0] / other.value[1] == doctest::Approx(idf3 / idf4));
  CHECK_THROWS_AS(weigh(texts({{5}}, {0}, 2)), UsageError);
  CHECK_THROWS_AS(TfIdf(train, 3, 2), UsageError);
}

TEST_CASE("two opposite rows by hand") {
  // x = 1 of class 0 and x = -1 of class 1: b = 0 and W = (w, -w)
  const double c = 3;
  const LogisticRegression model(sparse({{1}, {-1}}), {0, 1}, 2, c);
  const std::vector<double>& w = model.weights();
  CHECK(w[0] == doctest::Approx(-w[1]));
  CHECK(w[2] == doctest::Approx(0).epsilon(1e-5));
  // mean loss ln(1 + e^{-2w}), penalty 2 w² / (2 · 2 C): the derivative is -2 / (1 + e^{2w}) + w / C
  CHECK(2 / (1 + std::exp(2 * w[0])) == doctest::Approx(w[0] / c).epsilon(1e-4));
  CHECK(model.accuracy(sparse({{2}, {0.5}, {-1}}), {0, 1, 1}) == doctest::Approx(2.0 / 3));
}

TEST_CASE("at the minimum the gradient of the textbook's loss vanishes, by central differences") {
  constexpr int kRows = 30, kColumns = 6, kClasses = 3;
  constexpr double kC = 2;
  const Random draws(3, 4);
  std::vector<std::vector<double>> x(kRows, std::vector<double>(kColumns));
  Ids labels;
  for (std::uint64_t i = 0; i < kRows; ++i) {
    for (std::uint64_t k = 0; k < kColumns; ++k) x[i][k] = draws.uniform(i * kColumns + k) < 0.5 ? 0 : draws.normal(i * kColumns + k);
    labels.push_back(static_cast<std::int32_t>(draws.below(1000 + i, kClasses)));
  }
  const LogisticRegression model(sparse(x), labels, kClasses, kC);
  std::vector<double> w = model.weights();
  const auto objective = [&] {
    double loss = 0, squares = 0;
    for (std::size_t i = 0; i < kRows; ++i) {
      double sum = 0, own = 0;
      for (std::size_t k = 0; k < kClasses; ++k) {
        double logit = w[kColumns * kClasses + k];
        for (std::size_t j = 0; j < kColumns; ++j) logit += x[i][j] * w[j * kClasses + k];
        sum += std::exp(logit);
        if (static_cast<std::int32_t>(k) == labels[i]) own = logit;
      }
      loss += std::log(sum) - own;
    }
    for (std::size_t i = 0; i < kColumns * kClasses; ++i) squares += w[i] * w[i];
    return loss / kRows + squares / (2 * kC * kRows);
  };
  for (double& each : w) {
    const double at = each, h = 1e-5;
    each = at + h;
    const double above = objective();
    each = at - h;
    CHECK(std::abs((above - objective()) / (2 * h)) < 1e-5);
    each = at;
  }
}

TEST_CASE("texts told apart by a word are told apart") {
  const TextSet train = texts({{2, 3, 4}, {2, 5}, {6, 3}, {6, 4, 4}}, {0, 0, 1, 1}, 2);
  const TfIdf weigh(train, 7, 2);
  const LogisticRegression model(weigh(train), train.labels, 2, 10);
  CHECK(model.accuracy(weigh(train), train.labels) == 1);
  CHECK(model.classify(weigh(texts({{2}, {6, 3}, {5}}, {0, 0, 0}, 2))) == Ids{0, 1, 0});
}

TEST_CASE("what cannot be fitted is refused") {
  const SparseRows rows = sparse({{1}, {2}}), wide = sparse({{1, 2}});
  CHECK_THROWS_AS(LogisticRegression(rows, {0}, 2, 1), UsageError);
  CHECK_THROWS_AS(LogisticRegression(rows, {0, 2}, 2, 1), UsageError);
  CHECK_THROWS_AS(LogisticRegression(rows, {0, -1}, 2, 1), UsageError);
  CHECK_THROWS_AS(LogisticRegression(rows, {0, 1}, 2, 0), UsageError);
  CHECK_THROWS_AS(LogisticRegression(SparseRows{.columns = 1}, {}, 2, 1), UsageError);
  CHECK_THROWS_AS(LogisticRegression(rows, {0, 1}, 2, 1).classify(wide), UsageError);
}
