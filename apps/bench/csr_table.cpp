// Y = S·X for a scalar sparse S [1024, 1024] against Eigen's row-major sparse times row-major dense.
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <weft/apps/bench/operands.hpp>
#include <weft/apps/bench/peers/peers.hpp>
#include <weft/apps/bench/tables.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/text.hpp>

namespace weft::bench {

namespace {

constexpr std::int64_t kSide = 1024;
constexpr double kFloorOverEigen = 1.7;
constexpr int kPercents[] = {1, 5, 10, 30}, kColumns[] = {64, 256};

/// Eigen wants ascending columns; weft takes any order, so both get these.
std::vector<std::int32_t> sorted_columns(const SparsePattern& s) {
  std::vector<std::int32_t> col(s.col().begin(), s.col().end());
  for (std::int64_t r = 0; r < s.grid_rows(); ++r)
    std::sort(col.begin() + s.row_ptr()[static_cast<std::size_t>(r)], col.begin() + s.row_ptr()[static_cast<std::size_t>(r) + 1]);
  return col;
}

void print_line(Context& context, int percent, int n, const std::string& cell, const Outcome& o) {
  std::string text = right(cat(percent, " %"), 9) + right(cat("N=", n), 8) + right(fixed(o.gflops, 1), 8) + right(show_share(o), 9);
  if (const auto found = o.ratios.find("Eigen"); found != o.ratios.end())
    text += right(show(found->second, Unit::ratio), 12) + right(show(kFloorOverEigen, Unit::ratio), 8) + "  " +
            judge_if_calm(context.results, cat(cell, ", ", team(), ", against Eigen"), found->second, kFloorOverEigen, Unit::ratio,
                          o.disturbed);
  context.results.line(text);
}

}  // namespace

void csr_table(Context& context) {
  bool begun = false;
  for (const int percent : kPercents) {
    const auto cell_of = [percent](int n) { return cat("csr/forward/d", percent, "/N", n); };
    if (std::none_of(std::begin(kColumns), std::end(kColumns), [&](int n) { return context.wants(cell_of(n)); })) continue;
    const PatternPtr s = patterns::random_blocks(kSide, kSide, 1, percent / 100.0, 42);
    const std::vector<std::int32_t> col = sorted_columns(*s);
    for (const int n : kColumns) {
      const std::string cell = cell_of(n);
      if (!context.wants(cell)) continue;
      const ProductOperands operands(s, n);
      const std::map<std::string, Outcome> outcomes =
          race(context, {{cell,
                          operands.flops(),
                          operands.call(Pass::forward),
                          {{"Eigen", peers::eigen::sparse_product(kSide, kSide, n, s->row_ptr().data(), col.data())}}}});
      if (!std::exchange(begun, true)) {
        context.results.heading(cat("Scalar sparse product (CSR), S [", kSide, ", ", kSide, "], ", team(),
                                    ": share of the FMA probe, and time of Eigen / weft's"));
        context.results.line(right("density", 9) + right("N", 8) + right("GF/s", 8) + right("share", 9) + right("vs Eigen", 12) +
                             right("floor", 8));
      }
      print_line(context, percent, n, cell, outcomes.at(cell));
    }
  }
}

}  // namespace weft::bench
