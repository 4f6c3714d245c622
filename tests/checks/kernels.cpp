// Every row of the kernel table: against the oracle at two small sizes (kernels_grid.cpp has the others), over threads, instruction
// sets, no columns and copies in the padding.

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/core/parallel.hpp>
#include <weft/core/patterns.hpp>
#include <weft/kernels/kernel_table.hpp>
#include <weft/kernels/product.hpp>
#include <weft/tests/checks/product_cases.hpp>
#include <weft/tests/checks/team_size.hpp>

using namespace weft;
using namespace weft::checks;

namespace {

const std::vector<Size> kSizes{{1, Dtype::f32}, {17, Dtype::f32}};

/// What every row that applies computes: outputs, weight gradients and bias gradients.
struct Results {
  std::vector<Tensor> tensors;
  std::vector<std::string> names;
};

/// Whether the literal rows run too: threads share them out, but they are built for one instruction set.
enum class Literal { no, yes };

Results run_every_row(const Operands& o, Literal literal) {
  Results r;
  const auto runs = [&o, literal](const auto& row, const auto& last) {
    return row.applies(*o.s, o.columns->lanes) && (literal == Literal::yes || &row != &last);
  };
  const auto keep = [&r](const std::string& name, const Tensor& t) {
    r.names.push_back(name);
    r.tensors.push_back(t);
  };
  for (const auto& row : kernels::spmm_rows())
    if (runs(row, kernels::spmm_rows().back())) keep(row.name, run_spmm(row, o));
  for (const auto& row : kernels::spmm_t_rows())
    if (runs(row, kernels::spmm_t_rows().back())) keep(row.name, run_spmm_t(row, o));
  for (const auto& row : kernels::sddmm_rows()) {
    if (!runs(row, kernels::sddmm_rows().back())) continue;
    const auto both = run_sddmm(row, o);
    keep(row.name, both.first);
    keep(std::string(row.name) + " (bias)", both.second);
  }
  return r;
}

void check_same_bits(const Results& a, const Results& b) {
  REQUIRE(a.names == b.names);
  for (std::size_t i = 0; i < a.tensors.size(); ++i) {
    CAPTURE(a.names[i]);
    CHECK(same_bits(a.tensors[i], b.tensors[i]));
  }
}

/// f(operands) on every pattern in both types, in tiles (four whole, one cut: groups of three and two) and in one lane.
template <class F>
void for_tiles_and_one_lane(F&& f) {
  for (const oracle::PatternCase& c : oracle::pattern_cases())
    for (const Dtype dtype : {Dtype::f32, Dtype::f64})
      for (const Lanes lanes : {Lanes::sixteen, Lanes::one}) {
        CAPTURE(c.name);
        CAPTURE(static_cast<int>(lanes));
        INFO(std::string(name_of(dtype)));
        f(operands(c.pattern, lanes == Lanes::sixteen ? 65 : 5, lanes, dtype, 11));
      }
}

/// The valid columns of the first tile, again in the padding of the second.
Tensor with_columns_in_padding(const Tensor& t) {
  const Tensor shifted = t.clone();
  for (std::int64_t row = 0; row < t.row_count(); ++row)
    for (int lane = 1; lane < 16; ++lane) shifted.data<float>()[shifted.tile_stride() + row * 16 + lane] = t.data<float>()[row * 16 + lane];
  return shifted;
}

}  // namespace

TEST_CASE("every forward row equals the oracle, and the literal row in bits where the order is equal") {
  for_each_case(kSizes, check_forward);
}
TEST_CASE("every transposed row equals the oracle") { for_each_case(kSizes, check_transposed); }
TEST_CASE("every weight gradient row equals the oracle, bias included") { for_each_case(kSizes, check_weights); }

TEST_CASE("no columns: nothing to write but zero weight gradients") {
  for (const oracle::PatternCase& c : oracle::pattern_cases())
    for (const Lanes lanes : {Lanes::sixteen, Lanes::one}) {
      CAPTURE(c.name);
      CAPTURE(static_cast<int>(lanes));
      const Operands o = operands(c.pattern, 0, lanes, Dtype::f32, 3);
      for (const auto& row : kernels::spmm_rows())
        if (row.applies(*o.s, o.columns->lanes)) CHECK(as_doubles(run_spmm(row, o)).empty());
      for (const auto& row : kernels::spmm_t_rows())
        if (row.applies(*o.s, o.columns->lanes)) CHECK(as_doubles(run_spmm_t(row, o)).empty());
      for (const auto& row : kernels::sddmm_rows()) {
        if (!row.applies(*o.s, o.columns->lanes)) continue;
        const auto [dvalues, dbias] = run_sddmm(row, o);
        CHECK(as_doubles(dvalues) == Values(o.values64.size()));
        CHECK(as_doubles(dbias) == Values(o.bias64.size()));
      }
    }
}

TEST_CASE("equal bits for 1, 2 and 7 threads") {
  for_tiles_and_one_lane([](const Operands& o) {
    Results alone;
    for (const int team : {1, 2, 7}) {
      set_threads(team);
      REQUIRE(team_size() == team);
      const Results results = run_every_row(o, Literal::yes);
      if (team == 1) alone = results;
      check_same_bits(alone, results);
    }
  });
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
  for_tiles_and_one_lane([&compared](const Operands& o) {
    kernels::use_isa("AVX2");
    REQUIRE(kernels::isa_name() == "AVX2");
    const Results avx2 = run_every_row(o, Literal::no);
    kernels::use_isa("AVX3");
    REQUIRE(kernels::isa_name() == "AVX3");
    check_same_bits(avx2, run_every_row(o, Literal::no));
    compared.insert(avx2.names.begin(), avx2.names.end());
  });
  kernels::use_isa("");
  std::string names;
  for (const std::string& name : compared) names += " " + name + ",";
  MESSAGE("AVX2 and AVX3 compared in bits:", names);
}

TEST_CASE("other valid columns in the padding change no bit") {
  for (const oracle::PatternCase& c : oracle::pattern_cases()) {
    CAPTURE(c.name);
    const Operands o = operands(c.pattern, 17, Lanes::sixteen, Dtype::f32, 23);
    Operands other_x = o, other_dy = o;
    other_x.x = with_columns_in_padding(o.x);
    other_dy.dy = with_columns_in_padding(o.dy);
    for (const auto& row : kernels::spmm_rows())
      if (row.applies(*o.s, 16)) CHECK(as_doubles(run_spmm(row, o)) == as_doubles(run_spmm(row, other_x)));
    for (const auto& row : kernels::spmm_t_rows())
      if (row.applies(*o.s, 16)) CHECK(as_doubles(run_spmm_t(row, o)) == as_doubles(run_spmm_t(row, other_dy)));
    for (const auto& row : kernels::sddmm_rows())
      if (row.applies(*o.s, 16)) CHECK(same_bits(run_sddmm(row, o).first, run_sddmm(row, other_x).first));
  }
}

TEST_CASE("a 64 -> 64 convolution at 32 x 32 takes under 1 MB with all its views and plans") {
  const PatternPtr s = patterns::conv2d({32, 32, 64}, 64, {.kernel = 3, .pad = 1});
  CHECK(s->is_upper_triangular());
  CHECK(s->nnz() > 36'000'000);
  const std::int64_t before = s->bytes();
  const Tensor values = Tensor::plain(Dtype::f32, {s->values_size()});
  values.fill(0.5);
  for (const Lanes lanes : {Lanes::sixteen, Lanes::one}) {
    const ColumnsPtr columns = sample_columns(1, lanes);
    const Tensor x = Tensor::tiled(Dtype::f32, {s->cols()}, columns), y = Tensor::tiled(Dtype::f32, {s->rows()}, columns);
    x.fill(1);
    kernels::spmm(*s, values, Tensor(), x, kernels::Epilogue(), y);
    kernels::spmm_t(*s, values, y, x);
    kernels::sddmm(*s, y, x, Tensor::plain(Dtype::f32, {s->values_size()}), Tensor());
  }
  s->by_column();
  s->by_slot();
  MESSAGE("bytes of indices: ", before, ", with views and plans: ", s->bytes());
  CHECK(s->bytes() > before);
  CHECK(s->bytes() < 1'000'000);
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
