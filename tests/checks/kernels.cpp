// Every row of the kernel table on every pattern of tests/cases.inc: against the dense double oracle, against the literal row in
// bits where the summation order is declared equal, over threads, instruction sets, poisoned outputs and copies in the padding.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <omp.h>

#include <weft/core/parallel.hpp>
#include <weft/core/text.hpp>
#include <weft/kernels/kernel_table.hpp>
#include <weft/tests/oracle/cases.hpp>
#include <weft/tests/oracle/oracle.hpp>

using namespace weft;
using oracle::Values;

namespace {

/// One product's operands, rounded to the dtype so that the oracle multiplies the same numbers.
struct Operands {
  PatternPtr s;
  ColumnsPtr columns;
  Dtype dtype;
  Tensor values, x, dy, bias;
  Values values64, x64, dy64, bias64;
};

Values rounded(Values v, Dtype dtype) {
  if (dtype == Dtype::f32)
    for (double& e : v) e = static_cast<float>(e);
  return v;
}

Tensor plain_of(const Values& v, Dtype dtype) {
  Tensor t = Tensor::plain(dtype, {static_cast<std::int64_t>(v.size())});
  by_float(dtype, [&](auto zero) { std::copy(v.begin(), v.end(), t.data<decltype(zero)>()); });
  return t;
}

Tensor tiled_of(const Values& v, std::int64_t rows, const ColumnsPtr& columns, Dtype dtype) {
  return cast(pack_rows(v, {rows}, columns), dtype);
}

/// Padding lanes of a gradient are zero by the contract of DESIGN section 2.
Tensor with_zero_padding(Tensor t) {
  by_float(t.dtype(), [&](auto zero) {
    const Columns& c = *t.columns();
    for (std::int64_t tile = 0; tile < c.tiles(); ++tile)
      for (std::int64_t row = 0; row < t.row_count(); ++row)
        for (int lane = c.valid_lanes(tile); lane < c.lanes; ++lane)
          t.data<decltype(zero)>()[tile * t.tile_stride() + row * c.lanes + lane] = 0;
  });
  return t;
}

Operands operands(const PatternPtr& s, std::int64_t n, Lanes lanes, Dtype dtype, std::uint64_t seed) {
  Operands o{s, sample_columns(n, lanes), dtype, {}, {}, {}, {}, {}, {}, {}, {}};
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

Tensor poisoned(const Tensor& like) {
  like.fill(std::numeric_limits<double>::quiet_NaN());
  return like;
}

Values as_doubles(const Tensor& t) {
  return by_float(t.dtype(), [&](auto zero) {
    const auto v = unpack_rows<decltype(zero)>(t);
    return Values(v.begin(), v.end());
  });
}

/// |got - want| within 8·eps·terms·magnitude, element by element.
void check_close(const Values& got, const Values& want, const Values& magnitude, double terms, Dtype dtype) {
  const double eps = dtype == Dtype::f32 ? 6e-8 : 1.2e-16;
  REQUIRE(got.size() == want.size());
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double bound = 8 * eps * (terms + 1) * magnitude[i] + 1e-300;
    worst = std::max(worst, std::isfinite(got[i]) ? std::abs(got[i] - want[i]) / bound : 1e9);
  }
  CHECK(worst <= 1);
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return std::memcmp(a.bytes(), b.bytes(), static_cast<std::size_t>(a.element_count()) * size_of(a.dtype())) == 0;
}

double longest_row(const SparsePattern& s) { return static_cast<double>(s.cols() < 4000 ? s.cols() : 4000); }

Tensor run_spmm(const kernels::KernelRow<kernels::SpmmCall>& row, const Operands& o) {
  const Tensor y = poisoned(Tensor::tiled(o.dtype, {o.s->rows()}, o.columns));
  row.run(o.dtype, {*o.s, o.values, o.bias, o.x, kernels::Epilogue(), y});
  return y;
}

Tensor run_spmm_t(const kernels::KernelRow<kernels::SpmmTCall>& row, const Operands& o) {
  const Tensor dx = poisoned(Tensor::tiled(o.dtype, {o.s->cols()}, o.columns));
  row.run(o.dtype, {*o.s, o.values, o.dy, dx});
  return dx;
}

std::pair<Tensor, Tensor> run_sddmm(const kernels::KernelRow<kernels::SddmmCall>& row, const Operands& o) {
  const Tensor dvalues = poisoned(Tensor::plain(o.dtype, {o.s->values_size()}));
  const Tensor dbias = poisoned(Tensor::plain(o.dtype, o.bias.rows()));
  row.run(o.dtype, {*o.s, o.dy, o.x, dvalues, dbias});
  return {dvalues, dbias};
}

Values add_bias(Values y, const Operands& o) {
  const std::int64_t n = o.columns->count;
  for (std::int64_t row = 0; row < o.s->rows(); ++row)
    for (std::int64_t c = 0; c < n; ++c)
      y[static_cast<std::size_t>(row * n + c)] += o.bias64[static_cast<std::size_t>(row) % o.bias64.size()];
  return y;
}

void check_forward(const Operands& o) {
  const std::int64_t n = o.columns->count;
  const Values want = add_bias(oracle::spmm(*o.s, o.values64, o.x64, n), o);
  Operands positive = o;
  positive.bias64 = oracle::absolute(o.bias64);
  const Values magnitude = add_bias(oracle::spmm(*o.s, oracle::absolute(o.values64), oracle::absolute(o.x64), n), positive);
  const auto rows = kernels::spmm_rows();
  const Tensor literal = run_spmm(rows.back(), o);
  for (const auto& row : rows) {
    if (!row.applies(*o.s, o.columns->lanes)) continue;
    INFO(std::string(row.name));
    const Tensor y = run_spmm(row, o);
    check_close(as_doubles(y), want, magnitude, longest_row(*o.s), o.dtype);
    if (std::string(row.order) == rows.back().order) CHECK(same_bits(y, literal));
  }
}

void check_transposed(const Operands& o) {
  const std::int64_t n = o.columns->count;
  const Values want = oracle::spmm_t(*o.s, o.values64, o.dy64, n);
  const Values magnitude = oracle::spmm_t(*o.s, oracle::absolute(o.values64), oracle::absolute(o.dy64), n);
  const auto rows = kernels::spmm_t_rows();
  const Tensor literal = run_spmm_t(rows.back(), o);
  for (const auto& row : rows) {
    if (!row.applies(*o.s, o.columns->lanes)) continue;
    INFO(std::string(row.name));
    const Tensor dx = run_spmm_t(row, o);
    check_close(as_doubles(dx), want, magnitude, static_cast<double>(o.s->rows()), o.dtype);
    if (std::string(row.order) == rows.back().order) CHECK(same_bits(dx, literal));
  }
}

void check_weights(const Operands& o) {
  const std::int64_t n = o.columns->count;
  const Values want = oracle::sddmm(*o.s, o.dy64, o.x64, n);
  const Values magnitude = oracle::sddmm(*o.s, oracle::absolute(o.dy64), oracle::absolute(o.x64), n);
  Values bias(o.bias64.size()), bias_magnitude(o.bias64.size());
  for (std::size_t i = 0; i < o.dy64.size(); ++i) {
    const std::size_t at = i / static_cast<std::size_t>(n) % bias.size();
    bias[at] += o.dy64[i];
    bias_magnitude[at] += std::abs(o.dy64[i]);
  }
  const double terms =
      static_cast<double>(n) * static_cast<double>(std::max<std::int64_t>(1, o.s->blocks())) / std::max(1, o.s->slots()) + 1;
  for (const auto& row : kernels::sddmm_rows()) {
    if (!row.applies(*o.s, o.columns->lanes)) continue;
    INFO(std::string(row.name));
    const auto [dvalues, dbias] = run_sddmm(row, o);
    check_close(as_doubles(dvalues), want, magnitude, terms, o.dtype);
    check_close(as_doubles(dbias), bias, bias_magnitude, static_cast<double>(n * o.s->rows()), o.dtype);
  }
}

template <class F>
void for_each_case(F&& f) {
  set_threads(1);  // threads have a test of their own below
  for (const oracle::PatternCase& c : oracle::pattern_cases())
    for (const std::int64_t n : {std::int64_t{1}, std::int64_t{9}, std::int64_t{17}, std::int64_t{65}, std::int64_t{130}})
      for (const Lanes lanes : {Lanes::sixteen, Lanes::one}) {
        if (lanes == Lanes::one && n > 17) continue;
        for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
          CAPTURE(c.name);
          CAPTURE(n);
          CAPTURE(static_cast<int>(lanes));
          INFO(std::string(name_of(dtype)));
          f(operands(c.pattern, n, lanes, dtype, 7));
        }
      }
}

}  // namespace

TEST_CASE("every forward row equals the oracle, and the literal row in bits where the order is equal") { for_each_case(check_forward); }
TEST_CASE("every transposed row equals the oracle") { for_each_case(check_transposed); }
TEST_CASE("every weight gradient row equals the oracle, bias included") { for_each_case(check_weights); }

TEST_CASE("no columns: nothing to write but zero weight gradients") {
  for (const oracle::PatternCase& c : oracle::pattern_cases()) {
    CAPTURE(c.name);
    const Operands o = operands(c.pattern, 0, Lanes::sixteen, Dtype::f32, 3);
    for (const auto& row : kernels::spmm_rows())
      if (row.applies(*o.s, 16)) run_spmm(row, o);
    for (const auto& row : kernels::sddmm_rows()) {
      if (!row.applies(*o.s, 16)) continue;
      const auto [dvalues, dbias] = run_sddmm(row, o);
      for (const double v : as_doubles(dvalues)) CHECK(v == 0);
      for (const double v : as_doubles(dbias)) CHECK(v == 0);
    }
  }
}

TEST_CASE("equal bits for 1, 2 and 7 threads") {
  for (const oracle::PatternCase& c : oracle::pattern_cases()) {
    CAPTURE(c.name);
    const Operands o = operands(c.pattern, 65, Lanes::sixteen, Dtype::f32, 11);
    std::vector<Tensor> first;
    for (const int team : {1, 2, 7}) {
      set_threads(team);
      int seen = 0;
#pragma omp parallel num_threads(threads())
      {
#pragma omp single
        seen = omp_get_num_threads();
      }
      REQUIRE(seen == team);
      std::vector<Tensor> results;
      for (const auto& row : kernels::spmm_rows())
        if (row.applies(*o.s, 16)) results.push_back(run_spmm(row, o));
      for (const auto& row : kernels::spmm_t_rows())
        if (row.applies(*o.s, 16)) results.push_back(run_spmm_t(row, o));
      for (const auto& row : kernels::sddmm_rows())
        if (row.applies(*o.s, 16)) {
          const auto both = run_sddmm(row, o);
          results.push_back(both.first);
          results.push_back(both.second);
        }
      if (first.empty()) first = results;
      for (std::size_t i = 0; i < results.size(); ++i) CHECK(same_bits(first[i], results[i]));
    }
  }
  set_threads(2);
}

TEST_CASE("equal bits with AVX2 and AVX-512") {
  const std::vector<std::string> isas = kernels::available_isas();
  const bool both = std::count(isas.begin(), isas.end(), "AVX3") == 1 && std::count(isas.begin(), isas.end(), "AVX2") == 1;
  if (!both) {
    MESSAGE("skipped: this processor runs only ", isas.front());
    return;
  }
  std::set<std::string> compared;
  for (const oracle::PatternCase& c : oracle::pattern_cases())
    for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
      CAPTURE(c.name);
      const Operands o = operands(c.pattern, 65, Lanes::sixteen, dtype, 5);
      std::vector<Tensor> results[2];
      for (int i = 0; i < 2; ++i) {
        kernels::use_isa(i == 0 ? "AVX2" : "AVX3");
        REQUIRE(kernels::isa_name() == (i == 0 ? "AVX2" : "AVX3"));
        for (const auto& row : kernels::spmm_rows())
          if (row.applies(*o.s, 16)) results[i].push_back(run_spmm(row, o)), compared.insert(row.name);
        for (const auto& row : kernels::spmm_t_rows())
          if (row.applies(*o.s, 16)) results[i].push_back(run_spmm_t(row, o)), compared.insert(row.name);
        for (const auto& row : kernels::sddmm_rows())
          if (row.applies(*o.s, 16)) results[i].push_back(run_sddmm(row, o).first), compared.insert(row.name);
      }
      for (std::size_t r = 0; r < results[0].size(); ++r) CHECK(same_bits(results[0][r], results[1][r]));
    }
  kernels::use_isa("");
  std::string names;
  for (const std::string& name : compared) names += " " + name;
  MESSAGE("AVX2 and AVX3 compared in bits:", names);
}

TEST_CASE("other valid columns in the padding change no bit") {
  for (const oracle::PatternCase& c : oracle::pattern_cases()) {
    CAPTURE(c.name);
    const Operands o = operands(c.pattern, 17, Lanes::sixteen, Dtype::f32, 23);
    Operands shifted = o;
    shifted.x = o.x.clone();
    for (std::int64_t row = 0; row < o.s->cols(); ++row)
      for (int lane = 1; lane < 16; ++lane)
        shifted.x.data<float>()[shifted.x.tile_stride() + row * 16 + lane] = o.x.data<float>()[row * 16 + lane];
    for (const auto& row : kernels::spmm_rows())
      if (row.applies(*o.s, 16)) CHECK(as_doubles(run_spmm(row, o)) == as_doubles(run_spmm(row, shifted)));
    for (const auto& row : kernels::sddmm_rows())
      if (row.applies(*o.s, 16)) CHECK(same_bits(run_sddmm(row, o).first, run_sddmm(row, shifted).first));
  }
}

TEST_CASE("every row of the table meets a case") {
  std::set<std::string> met, all;
  const auto look = [&](const auto& rows) {
    for (const auto& row : rows) {
      all.insert(row.name);
      for (const oracle::PatternCase& c : oracle::pattern_cases())
        for (const int lanes : {1, 16})
          if (row.applies(*c.pattern, lanes)) met.insert(row.name);
    }
  };
  look(kernels::spmm_rows());
  look(kernels::spmm_t_rows());
  look(kernels::sddmm_rows());
  CHECK(met == all);
  CHECK(kernels::list_kernels().find("spmm bsr_tiles: paneled blocks") != std::string::npos);
}
