#include <weft/apps/baselines/tf_idf.hpp>

#include <cmath>
#include <cstddef>
#include <map>
#include <span>

#include <weft/apps/baselines/logistic_regression.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

/// How often each id of a text occurs in it, by id.
std::map<std::int32_t, int> term_frequencies(std::span<const std::int32_t> text, std::size_t words) {
  std::map<std::int32_t, int> frequencies;
  for (const std::int32_t id : text) {
    if (id < 0 || static_cast<std::size_t>(id) >= words)
      throw UsageError({.op = "tf_idf", .what = cat("id ", id, " is outside [0, ", words, ")")});
    ++frequencies[id];
  }
  return frequencies;
}

}  // namespace

TfIdf::TfIdf(const TextSet& train, std::int32_t words, std::int32_t first_word) : idf_(static_cast<std::size_t>(words)) {
  std::vector<std::int64_t> texts(idf_.size());
  for (std::int64_t i = 0; i < train.size(); ++i)
    for (const auto& [id, frequency] : term_frequencies(train.text(i), texts.size())) ++texts[static_cast<std::size_t>(id)];
  for (auto id = static_cast<std::size_t>(first_word); id < idf_.size(); ++id)
    idf_[id] = 1 + std::log((1 + static_cast<double>(train.size())) / (1 + static_cast<double>(texts[id])));
}

SparseRows TfIdf::operator()(const TextSet& set) const {
  SparseRows rows{.columns = static_cast<std::int32_t>(idf_.size()), .column = {}, .value = {}};
  for (std::int64_t i = 0; i < set.size(); ++i) {
    double squares = 0;
    for (const auto& [id, frequency] : term_frequencies(set.text(i), idf_.size())) {
      const double weight = (1 + std::log(frequency)) * idf_[static_cast<std::size_t>(id)];
      if (weight == 0) continue;
      rows.column.push_back(id);
      rows.value.push_back(weight);
      squares += weight * weight;
    }
    for (auto at = static_cast<std::size_t>(rows.starts.back()); at < rows.value.size(); ++at) rows.value[at] /= std::sqrt(squares);
    rows.starts.push_back(static_cast<std::int64_t>(rows.value.size()));
  }
  return rows;
}

double tf_idf_accuracy(const TextData& data) {
  const TfIdf weigh(data.train, data.vocabulary.size(), data.vocabulary.id(kUnknownWord) + 1);
  const LogisticRegression model(weigh(data.train), data.train.labels, data.train.classes, 3);
  return model.accuracy(weigh(data.test), data.test.labels);
}

}  // namespace weft
