#include <weft/layers/initialise.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#define EIGEN_DONT_PARALLELIZE  // equal bits for any number of threads
#include <Eigen/Dense>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft::initialise {

namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Every value by itself: value(i) from the i-th draw.
template <class Value>
std::vector<double> each(const Shape& field, Value value) {
  std::vector<double> values(static_cast<std::size_t>(field.size()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = value(std::uint64_t{i});
  return values;
}

std::vector<double> uniform(const Random& draws, const Shape& field, double bound) {
  return each(field, [&](std::uint64_t i) { return (2 * draws.uniform(i) - 1) * bound; });
}

std::vector<double> normals(const Random& draws, const Shape& field, double deviation) {
  return each(field, [&](std::uint64_t i) { return draws.normal(i) * deviation; });
}

double truncated(const Random& draws, std::uint64_t i) {
  constexpr std::uint64_t kTries = 16;  // all of them outside two deviations: once in 10^21 draws
  for (std::uint64_t t = 0; t < kTries; ++t)
    if (const double z = draws.normal(i * kTries + t); std::abs(z) <= 2) return z;
  return 0;
}

double variance_kaiming(double a, Fans fans) { return 2 / ((1 + a * a) * std::max(fans.in, 1.0)); }

double variance_xavier(double gain, Fans fans) { return gain * gain * 2 / std::max(fans.in + fans.out, 1.0); }

/// Q of a = QR for a tall matrix, R's diagonal positive: of normal draws Q is then uniform (Mezzadri 2007, arXiv math-ph/0609050).
/// One reflection after the other: Eigen's blocked QR sums in an order that depends on the machine's caches.
MatrixXd orthonormal_columns(MatrixXd a) {
  const Eigen::Index rows = a.rows(), cols = a.cols();
  VectorXd tau(cols), diagonal(cols), workspace(cols);
  for (Eigen::Index k = 0; k < cols; ++k) {
    a.col(k).tail(rows - k).makeHouseholderInPlace(tau[k], diagonal[k]);
    a.bottomRightCorner(rows - k, cols - k - 1).applyHouseholderOnTheLeft(a.col(k).tail(rows - k - 1), tau[k], workspace.data());
  }
  MatrixXd q = MatrixXd::Identity(rows, cols);
  for (Eigen::Index k = cols - 1; k >= 0; --k)
    q.bottomRightCorner(rows - k, cols - k).applyHouseholderOnTheLeft(a.col(k).tail(rows - k - 1), tau[k], workspace.data());
  for (Eigen::Index k = 0; k < cols; ++k)
    if (diagonal[k] < 0) q.col(k) = -q.col(k);
  return q;
}

}  // namespace

Initialiser uniform(double bound) {
  return [bound](const Random& draws, const Shape& field, Fans) { return uniform(draws, field, bound); };
}

Initialiser kaiming_uniform(double a) {
  return
      [a](const Random& draws, const Shape& field, Fans fans) { return uniform(draws, field, std::sqrt(3 * variance_kaiming(a, fans))); };
}

Initialiser kaiming_normal(double a) {
  return [a](const Random& draws, const Shape& field, Fans fans) { return normals(draws, field, std::sqrt(variance_kaiming(a, fans))); };
}

Initialiser xavier_uniform(double gain) {
  return [gain](const Random& draws, const Shape& field, Fans fans) {
    return uniform(draws, field, std::sqrt(3 * variance_xavier(gain, fans)));
  };
}

Initialiser xavier_normal(double gain) {
  return
      [gain](const Random& draws, const Shape& field, Fans fans) { return normals(draws, field, std::sqrt(variance_xavier(gain, fans))); };
}

Initialiser normal(double deviation) {
  return [deviation](const Random& draws, const Shape& field, Fans) { return normals(draws, field, deviation); };
}

Initialiser truncated_normal(double deviation) {
  return [deviation](const Random& draws, const Shape& field, Fans) {
    return each(field, [&](std::uint64_t i) { return truncated(draws, i) * deviation; });
  };
}

Initialiser orthogonal(double gain) {
  return [gain](const Random& draws, const Shape& field, Fans) {
    if (field.rank() < 2)
      throw ShapeError({.op = "orthogonal",
                        .what = cat("the weight is ", field.str(), " values, which are no matrix"),
                        .hint = "take density 1, or another initialiser"});
    std::vector<double> values = normals(draws, field, 1);
    const Eigen::Index rows = field[0], cols = rows == 0 ? 0 : field.size() / rows;
    Eigen::Map<Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> matrix(values.data(), rows, cols);
    if (rows >= cols) matrix = gain * orthonormal_columns(matrix);
    else matrix = gain * orthonormal_columns(matrix.transpose()).transpose();
    return values;
  };
}

Initialiser constant(double value) {
  return [value](const Random&, const Shape& field, Fans) { return each(field, [&](std::uint64_t) { return value; }); };
}

Initialiser torch_default() { return kaiming_uniform(std::sqrt(5.0)); }

}  // namespace weft::initialise
