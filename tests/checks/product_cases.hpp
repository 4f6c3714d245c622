#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/core/parallel.hpp>
#include <weft/core/tensor.hpp>
#include <weft/kernels/kernel_table.hpp>
#include <weft/kernels/product.hpp>
#include <weft/tests/oracle/cases.hpp>
#include <weft/tests/oracle/oracle.hpp>

/// Every row of the kernel table on every pattern of tests/cases.inc against the dense double oracle, and against the literal row in
/// bits where the summation order is declared equal. Outputs are poisoned first.
namespace weft::checks {

using oracle::Values;

/// How many products are summed into each element: what a rounding error may grow with.
struct Terms {
  Values of_row, of_column;  ///< stored entries of each row and column, plus one (the bias)
  Values places;             ///< for each stored value, how many entries of the matrix it is
};

inline Terms terms_of(const SparsePattern& s) {
  const auto ones = [](std::int64_t n) { return Values(static_cast<std::size_t>(n), 1.0); };
  Terms terms{oracle::spmm(s, ones(s.values_size()), ones(s.cols()), 1), oracle::spmm_t(s, ones(s.values_size()), ones(s.rows()), 1),
              oracle::sddmm(s, ones(s.rows()), ones(s.cols()), 1)};
  for (double& count : terms.of_row) ++count;
  for (double& count : terms.of_column) ++count;
  return terms;
}

/// One product's operands, rounded to the dtype so that the oracle multiplies the same numbers.
struct Operands {
  PatternPtr s;
  ColumnsPtr columns;
  Dtype dtype;
  Tensor values, x, dy, bias;
  Values values64, x64, dy64, bias64;
  std::shared_ptr<const Terms> terms;  ///< set by for_each_case
};

inline Values rounded(Values v, Dtype dtype) {
  if (dtype == Dtype::f32)
    for (double& e : v) e = static_cast<float>(e);
  return v;
}

inline Tensor plain_of(const Values& v, Dtype dtype) {
  Tensor t = Tensor::plain(dtype, {static_cast<std::int64_t>(v.size())});
  by_float(dtype, [&](auto zero) { std::copy(v.begin(), v.end(), t.data<decltype(zero)>()); });
  return t;
}

inline Tensor tiled_of(const Values& v, std::int64_t rows, const ColumnsPtr& columns, Dtype dtype) {
  return cast(pack_rows(v, {rows}, columns), dtype);
}

/// Padding lanes of a gradient are zero by the contract of DESIGN section 2.
inline Tensor with_zero_padding(Tensor t) {
  by_float(t.dtype(), [&](auto zero) {
    const Columns& c = *t.columns();
    for (std::int64_t tile = 0; tile < c.tiles(); ++tile)
      for (std::int64_t row = 0; row < t.row_count(); ++row)
        for (int lane = c.valid_lanes(tile); lane < c.lanes; ++lane)
          t.data<decltype(zero)>()[tile * t.tile_stride() + row * c.lanes + lane] = 0;
  });
  return t;
}

inline Operands operands(const PatternPtr& s, std::int64_t n, Lanes lanes, Dtype dtype, std::uint64_t seed) {
  Operands o{s, sample_columns(n, lanes), dtype, {}, {}, {}, {}, {}, {}, {}, {}, nullptr};
  o.values64 = rounded(oracle::random_values(*s, seed), dtype);
  o.x64 = rounded(oracle::random_values(s->cols() * n, seed + 1), dtype);
  o.dy64 = rounded(oracle::random_values(s->rows() * n, seed + 2), dtype);
  const std::int64_t bias_length = s->rows() % s->block().height == 0 ? std::min<std::int64_t>(s->block().height, s->rows()) : s->rows();
  o.bias64 = rounded(oracle::random_values(bias_length, seed + 3), dtype);
  o.values = plain_of(o.values64, dtype);
  o.x = tiled_of(o.x64, s->cols(), o.columns, dtype);
  o.dy = with_zero_padding(tiled_of(o.dy64, s->rows(), o.columns, dtype));
  o.bias = plain_of(o.bias64, dtype);
  return o;
}

inline Tensor poisoned(const Tensor& like) {
  like.fill(std::numeric_limits<double>::quiet_NaN());
  return like;
}

inline Values as_doubles(const Tensor& t) {
  return by_float(t.dtype(), [&](auto zero) {
    const auto v = unpack_rows<decltype(zero)>(t);
    return Values(v.begin(), v.end());
  });
}

/// What the oracle says of a product, element by element: the value, the sum of its terms' sizes, and how many terms there are.
struct Expected {
  Values value, magnitude, terms;
};

/// counts[row] for each of the n columns.
inline Values for_columns(const Values& counts, std::int64_t n) {
  Values all;
  for (const double count : counts) all.insert(all.end(), static_cast<std::size_t>(n), count);
  return all;
}

/// |got - want| within 8·eps·terms·magnitude, element by element.
inline void check_close(const Values& got, const Expected& want, Dtype dtype) {
  const double eps = dtype == Dtype::f32 ? 6e-8 : 1.2e-16;
  REQUIRE(got.size() == want.value.size());
  REQUIRE(got.size() == want.terms.size());
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double bound = 8 * eps * want.terms[i] * want.magnitude[i] + 1e-300;
    worst = std::max(worst, std::isfinite(got[i]) ? std::abs(got[i] - want.value[i]) / bound : 1e9);
  }
  CHECK(worst <= 1);
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return std::memcmp(a.bytes(), b.bytes(), static_cast<std::size_t>(a.element_count()) * size_of(a.dtype())) == 0;
}

inline Tensor run_spmm(const kernels::KernelRow<kernels::SpmmCall>& row, const Operands& o) {
  const Tensor y = poisoned(Tensor::tiled(o.dtype, {o.s->rows()}, o.columns));
  row.run(o.dtype, {*o.s, o.values, o.bias, o.x, kernels::Epilogue(), y});
  return y;
}
/// Added to dy.
inline Tensor run_spmm_add(const kernels::KernelRow<kernels::SpmmCall>& row, const Operands& o) {
  const Tensor y = o.dy.clone();
  row.run(o.dtype, {*o.s, o.values, Tensor(), o.x, kernels::Epilogue(), y, true});
  return y;
}

inline Tensor run_spmm_t(const kernels::KernelRow<kernels::SpmmTCall>& row, const Operands& o) {
  const Tensor dx = poisoned(Tensor::tiled(o.dtype, {o.s->cols()}, o.columns));
  row.run(o.dtype, {*o.s, o.values, o.dy, dx});
  return dx;
}
/// Added to x.
inline Tensor run_spmm_t_add(const kernels::KernelRow<kernels::SpmmTCall>& row, const Operands& o) {
  const Tensor dx = o.x.clone();
  row.run(o.dtype, {*o.s, o.values, o.dy, dx, true});
  return dx;
}

inline std::pair<Tensor, Tensor> run_sddmm(const kernels::KernelRow<kernels::SddmmCall>& row, const Operands& o) {
  const Tensor dvalues = poisoned(Tensor::plain(o.dtype, {o.s->values_size()}));
  const Tensor dbias = poisoned(Tensor::plain(o.dtype, o.bias.rows()));
  row.run(o.dtype, {*o.s, o.dy, o.x, dvalues, dbias, kernels::Epilogue()});
  return {dvalues, dbias};
}

inline Values add_bias(Values y, const Operands& o) {
  const std::int64_t n = o.columns->count;
  for (std::int64_t row = 0; row < o.s->rows(); ++row)
    for (std::int64_t c = 0; c < n; ++c)
      y[static_cast<std::size_t>(row * n + c)] += o.bias64[static_cast<std::size_t>(row) % o.bias64.size()];
  return y;
}

/// Every row of `rows` that applies by `run`: close to what is wanted, and in bits the literal row where the order is declared equal.
template <class Row>
void check_rows(std::span<const Row> rows, const Operands& o, Tensor (*run)(const Row&, const Operands&), const Expected& want) {
  const Tensor literal = run(rows.back(), o);
  for (const Row& row : rows) {
    if (!row.applies(*o.s, o.columns->lanes)) continue;
    INFO(std::string(row.name));
    const Tensor found = run(row, o);
    check_close(as_doubles(found), want, o.dtype);
    if (std::string(row.order) == rows.back().order) CHECK(same_bits(found, literal));
  }
}

/// The sum with what was there before.
inline Expected added_to(const Values& before, Expected e) {
  for (std::size_t i = 0; i < before.size(); ++i) {
    e.value[i] += before[i];
    e.magnitude[i] += std::abs(before[i]);
    e.terms[i] += 1;
  }
  return e;
}

inline void check_forward(const Operands& o) {
  const std::int64_t n = o.columns->count;
  Operands positive = o;
  positive.bias64 = oracle::absolute(o.bias64);
  const Expected product{oracle::spmm(*o.s, o.values64, o.x64, n),
                         oracle::spmm(*o.s, oracle::absolute(o.values64), oracle::absolute(o.x64), n), for_columns(o.terms->of_row, n)};
  check_rows(kernels::spmm_rows(), o, run_spmm, {add_bias(product.value, o), add_bias(product.magnitude, positive), product.terms});
  check_rows(kernels::spmm_rows(), o, run_spmm_add, added_to(o.dy64, product));
}

inline void check_transposed(const Operands& o) {
  const std::int64_t n = o.columns->count;
  const Expected want{oracle::spmm_t(*o.s, o.values64, o.dy64, n),
                      oracle::spmm_t(*o.s, oracle::absolute(o.values64), oracle::absolute(o.dy64), n), for_columns(o.terms->of_column, n)};
  check_rows(kernels::spmm_t_rows(), o, run_spmm_t, want);
  check_rows(kernels::spmm_t_rows(), o, run_spmm_t_add, added_to(o.x64, want));
}

inline Expected expected_dvalues(const Operands& o) {
  const std::int64_t n = o.columns->count;
  Expected want{oracle::sddmm(*o.s, o.dy64, o.x64, n), oracle::sddmm(*o.s, oracle::absolute(o.dy64), oracle::absolute(o.x64), n),
                o.terms->places};
  for (double& terms : want.terms) terms = terms * static_cast<double>(n) + 1;
  return want;
}

inline Expected expected_dbias(const Operands& o) {
  const std::size_t length = o.bias64.size();
  Expected want{Values(length), Values(length), Values(length, 1.0)};
  for (std::size_t i = 0; i < o.dy64.size(); ++i) {
    const std::size_t at = i / static_cast<std::size_t>(o.columns->count) % length;
    want.value[at] += o.dy64[i];
    want.magnitude[at] += std::abs(o.dy64[i]);
    ++want.terms[at];
  }
  return want;
}

inline void check_weights(const Operands& o) {
  const Expected values = expected_dvalues(o), bias = expected_dbias(o);
  for (const auto& row : kernels::sddmm_rows()) {
    if (!row.applies(*o.s, o.columns->lanes)) continue;
    INFO(std::string(row.name));
    const auto [dvalues, dbias] = run_sddmm(row, o);
    check_close(as_doubles(dvalues), values, o.dtype);
    check_close(as_doubles(dbias), bias, o.dtype);
  }
}

/// A number of columns and a type to run every pattern with.
struct Size {
  std::int64_t n;
  Dtype dtype;
};

/// f(operands) for every pattern and size in tiles of 16 lanes, up to 17 columns also in one lane; on one thread.
template <class F>
void for_each_case(const std::vector<Size>& sizes, F&& f) {
  set_threads(1);
  for (const oracle::PatternCase& c : oracle::pattern_cases()) {
    const auto terms = std::make_shared<const Terms>(terms_of(*c.pattern));
    for (const Size& size : sizes)
      for (const Lanes lanes : {Lanes::sixteen, Lanes::one}) {
        if (lanes == Lanes::one && size.n > 17) continue;
        CAPTURE(c.name);
        CAPTURE(size.n);
        CAPTURE(static_cast<int>(lanes));
        INFO(std::string(name_of(size.dtype)));
        Operands o = operands(c.pattern, size.n, lanes, size.dtype, 7);
        o.terms = terms;
        f(o);
      }
  }
}

}  // namespace weft::checks
