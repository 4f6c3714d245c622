#include <algorithm>
#include <cmath>

#include <weft/core/error.hpp>
#include <weft/core/random.hpp>

#include <weft/tests/oracle/oracle.hpp>

namespace weft::oracle {

namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Calls f(row, column, place of the value) for every stored scalar inside the matrix.
template <class F>
void for_each_scalar(const SparsePattern& s, F&& f) {
  const PatternSpec& spec = s.spec();
  const ValueLayout& block = spec.block;
  for (std::int64_t r = 0; r + 1 < static_cast<std::int64_t>(spec.row_ptr.size()); ++r)
    for (std::int64_t e = spec.row_ptr[at(r)]; e < spec.row_ptr[at(r + 1)]; ++e) {
      const std::int32_t slot = spec.tie.empty() ? static_cast<std::int32_t>(e) : spec.tie[at(e)];
      for (int m = 0; m < block.height; ++m)
        for (int k = 0; k < block.width; ++k) {
          const std::int64_t row = r * block.height + m, col = std::int64_t{spec.col[at(e)]} * block.width + k;
          if (row < spec.rows && col < spec.cols && s.kept(slot, m, k)) f(row, col, slot * block.slot_size() + block.offset(m, k));
        }
    }
}

}  // namespace

Values random_values(std::int64_t n, std::uint64_t seed) {
  const Random random(seed, hash_name("oracle"));
  Values v(at(n));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = 2 * random.uniform(i) - 1;
  return v;
}

Values random_values(const SparsePattern& pattern, std::uint64_t seed) {
  Values v = random_values(pattern.values_size(), seed);
  const std::vector<bool> is_parameter = parameters_of(pattern);
  for (std::size_t i = 0; i < v.size(); ++i)
    if (!is_parameter[i]) v[i] = 0;
  return v;
}

std::vector<bool> parameters_of(const SparsePattern& pattern) {
  std::vector<bool> is_parameter(at(pattern.values_size()));
  for_each_scalar(pattern, [&](std::int64_t, std::int64_t, std::int64_t place) { is_parameter[at(place)] = true; });
  return is_parameter;
}

Values support(const SparsePattern& pattern) {
  Values matrix(at(pattern.rows() * pattern.cols()));
  for_each_scalar(pattern, [&](std::int64_t row, std::int64_t col, std::int64_t) { matrix[at(row * pattern.cols() + col)] = 1; });
  return matrix;
}

Values absolute(Values v) {
  for (double& value : v) value = std::abs(value);
  return v;
}

double dot(const Values& a, const Values& b) {
  WEFT_CHECK(a.size() == b.size());
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double max_difference(const Values& a, const Values& b) {
  WEFT_CHECK(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(a[i] - b[i]);
    if (!(difference <= largest)) largest = difference;  // a NaN is the largest
    if (std::isnan(difference)) return difference;
  }
  return largest;
}

Values multiply(const Values& a, const Values& b, std::int64_t m, std::int64_t k, std::int64_t n) {
  Values c(at(m * n));
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t l = 0; l < k; ++l)
      for (std::int64_t j = 0; j < n; ++j) c[at(i * n + j)] += a[at(i * k + l)] * b[at(l * n + j)];
  return c;
}

Values transposed(const Values& a, std::int64_t m, std::int64_t n) {
  Values t(at(m * n));
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j) t[at(j * m + i)] = a[at(i * n + j)];
  return t;
}

Values kronecker(const Values& a, std::int64_t ma, std::int64_t na, const Values& b, std::int64_t mb, std::int64_t nb) {
  Values c(at(ma * mb * na * nb));
  for (std::int64_t i = 0; i < ma * mb; ++i)
    for (std::int64_t j = 0; j < na * nb; ++j) c[at(i * na * nb + j)] = a[at(i / mb * na + j / nb)] * b[at(i % mb * nb + j % nb)];
  return c;
}

Values spmm(const SparsePattern& s, const Values& values, const Values& x, std::int64_t n) {
  Values y(at(s.rows() * n));
  for_each_scalar(s, [&](std::int64_t row, std::int64_t col, std::int64_t place) {
    for (std::int64_t j = 0; j < n; ++j) y[at(row * n + j)] += values[at(place)] * x[at(col * n + j)];
  });
  return y;
}

Values spmm_t(const SparsePattern& s, const Values& values, const Values& dy, std::int64_t n) {
  Values dx(at(s.cols() * n));
  for_each_scalar(s, [&](std::int64_t row, std::int64_t col, std::int64_t place) {
    for (std::int64_t j = 0; j < n; ++j) dx[at(col * n + j)] += values[at(place)] * dy[at(row * n + j)];
  });
  return dx;
}

Values sddmm(const SparsePattern& s, const Values& dy, const Values& x, std::int64_t n) {
  Values dvalues(at(s.values_size()));
  for_each_scalar(s, [&](std::int64_t row, std::int64_t col, std::int64_t place) {
    for (std::int64_t j = 0; j < n; ++j) dvalues[at(place)] += dy[at(row * n + j)] * x[at(col * n + j)];
  });
  return dvalues;
}

Values transpose_values(const SparsePattern& s, const Values& values) {
  const ValueLayout& block = s.block();
  const ValueLayout turned{block.kind, block.width, block.height};
  Values t(at(s.slots() * turned.slot_size()));
  for (std::int64_t slot = 0; slot < s.slots(); ++slot)
    for (int m = 0; m < block.height; ++m)
      for (int k = 0; k < block.width; ++k)
        if (block.kind == BlockKind::dense || m == k)
          t[at(slot * turned.slot_size() + turned.offset(k, m))] = values[at(slot * block.slot_size() + block.offset(m, k))];
  return t;
}

Values untie_values(const SparsePattern& s, const Values& values) {
  Values own;
  for (std::int64_t e = 0; e < s.blocks(); ++e) {
    const auto first = values.begin() + s.slot(e) * s.block().slot_size();
    own.insert(own.end(), first, first + s.block().slot_size());
  }
  return own;
}

}  // namespace weft::oracle
