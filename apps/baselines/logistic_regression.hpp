#pragma once

#include <cstdint>
#include <vector>

#include <weft/apps/baselines/sparse_rows.hpp>

namespace weft {

/// Multinomial logistic regression in double: the weights W [classes, columns] and biases b that minimise
///
///     mean of -ln softmax(W x + b)[label] + ||W||² / (2 C n)
///
/// over n rows, by L-BFGS (liblbfgs: http://www.chokkan.org/software/liblbfgs/). One thread, so equal bits in every run.
class LogisticRegression {
 public:
  /// Fits rows, of which there must be one or more, with labels in [0, classes). Throws UsageError for labels outside or other than one a
  /// row, C <= 0 or no row; NumericError if the search breaks down.
  LogisticRegression(const SparseRows& rows, const std::vector<std::int32_t>& labels, int classes, double c);

  /// The most probable class of each row.
  std::vector<std::int32_t> classify(const SparseRows& rows) const;
  /// The share of rows whose most probable class is their label.
  double accuracy(const SparseRows& rows, const std::vector<std::int32_t>& labels) const;
  /// W [column][class], then b [class].
  const std::vector<double>& weights() const { return weights_; }

 private:
  int classes_;
  std::vector<double> weights_;
};

}  // namespace weft
