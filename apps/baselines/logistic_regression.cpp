#include <weft/apps/baselines/logistic_regression.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>

#include <lbfgs.h>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

/// logits = W x + b of one row, W [column][class] and then b [class] in `weights`.
void logits_of(const SparseRows& rows, std::size_t row, const double* weights, std::vector<double>& logits) {
  const std::size_t classes = logits.size();
  std::copy_n(weights + static_cast<std::size_t>(rows.columns) * classes, classes, logits.begin());
  for (auto at = static_cast<std::size_t>(rows.starts[row]); at < static_cast<std::size_t>(rows.starts[row + 1]); ++at) {
    const double* const of_column = weights + static_cast<std::size_t>(rows.column[at]) * classes;
    for (std::size_t k = 0; k < classes; ++k) logits[k] += rows.value[at] * of_column[k];
  }
}

/// Turns logits into probabilities; gives ln of the sum of their exponentials.
double softmax(std::vector<double>& logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (double& logit : logits) sum += logit = std::exp(logit - largest);
  for (double& logit : logits) logit /= sum;
  return largest + std::log(sum);
}

/// What is minimised.
struct Objective {
  const SparseRows* rows;
  const std::vector<std::int32_t>* labels;
  std::size_t classes;
  double decay;  // 1 / (C n)

  /// The value, and its gradient by every weight.
  double operator()(const double* weights, double* gradient) const {
    const std::size_t penalised = static_cast<std::size_t>(rows->columns) * classes;
    const double share = 1 / static_cast<double>(rows->rows());
    double loss = 0, squares = 0;
    for (std::size_t i = 0; i < penalised; ++i) squares += weights[i] * weights[i], gradient[i] = decay * weights[i];
    std::fill_n(gradient + penalised, classes, 0.0);
    std::vector<double> error(classes);
    for (std::size_t row = 0; row < labels->size(); ++row) {
      const auto label = static_cast<std::size_t>((*labels)[row]);
      logits_of(*rows, row, weights, error);
      const double of_label = error[label];
      loss += softmax(error) - of_label;
      error[label] -= 1;
      for (auto at = static_cast<std::size_t>(rows->starts[row]); at < static_cast<std::size_t>(rows->starts[row + 1]); ++at)
        for (std::size_t k = 0; k < classes; ++k)
          gradient[static_cast<std::size_t>(rows->column[at]) * classes + k] += share * rows->value[at] * error[k];
      for (std::size_t k = 0; k < classes; ++k) gradient[penalised + k] += share * error[k];
    }
    return share * loss + decay / 2 * squares;
  }
};

double evaluate(void* objective, const double* weights, double* gradient, int, double) {
  return (*static_cast<const Objective*>(objective))(weights, gradient);
}

void check(const SparseRows& rows, const std::vector<std::int32_t>& labels, int classes, double c) {
  if (rows.rows() < 1 || rows.rows() != static_cast<std::int64_t>(labels.size()) || !(c > 0))
    throw UsageError({.op = "logistic_regression", .what = cat(rows.rows(), " rows, ", labels.size(), " labels, C is ", c)});
  for (const std::int32_t label : labels)
    if (label < 0 || label >= classes)
      throw UsageError({.op = "logistic_regression", .what = cat("label ", label, " of ", classes, " classes")});
}

}  // namespace

LogisticRegression::LogisticRegression(const SparseRows& rows, const std::vector<std::int32_t>& labels, int classes, double c)
    : classes_(classes) {
  check(rows, labels, classes, c);
  const std::size_t count = (static_cast<std::size_t>(rows.columns) + 1) * static_cast<std::size_t>(classes);
  const std::unique_ptr<double, decltype(&lbfgs_free)> w(lbfgs_malloc(static_cast<int>(count)), lbfgs_free);  // aligned, zeros
  Objective objective{&rows, &labels, static_cast<std::size_t>(classes), 1 / (c * static_cast<double>(rows.rows()))};
  lbfgs_parameter_t parameters;
  lbfgs_parameter_init(&parameters);
  parameters.epsilon = 1e-6;  // of |gradient| against |weights|
  parameters.max_iterations = 1000;
  const int code = lbfgs(static_cast<int>(count), w.get(), nullptr, evaluate, nullptr, &objective, &parameters);
  if (code < 0 && code != LBFGSERR_MAXIMUMITERATION)
    throw NumericError({.op = "logistic_regression", .what = cat("L-BFGS stopped with code ", code)});
  weights_.assign(w.get(), w.get() + count);
}

std::vector<std::int32_t> LogisticRegression::classify(const SparseRows& rows) const {
  if ((static_cast<std::size_t>(rows.columns) + 1) * static_cast<std::size_t>(classes_) != weights_.size())
    throw UsageError({.op = "logistic_regression", .what = cat("rows of ", rows.columns, " columns; it was fitted to others")});
  std::vector<std::int32_t> best;
  std::vector<double> logits(static_cast<std::size_t>(classes_));
  for (std::size_t row = 0; row + 1 < rows.starts.size(); ++row) {
    logits_of(rows, row, weights_.data(), logits);
    best.push_back(static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
  }
  return best;
}

double LogisticRegression::accuracy(const SparseRows& rows, const std::vector<std::int32_t>& labels) const {
  const std::vector<std::int32_t> best = classify(rows);
  if (best.size() != labels.size() || best.empty())
    throw UsageError({.op = "logistic_regression", .what = cat(best.size(), " rows and ", labels.size(), " labels")});
  double right = 0;
  for (std::size_t i = 0; i < best.size(); ++i) right += best[i] == labels[i] ? 1 : 0;
  return right / static_cast<double>(best.size());
}

}  // namespace weft
