// Every row of the kernel table on a pattern of its kind, in f32, as it is: no floor, no peer.
#include <span>
#include <string>
#include <utility>

#include <weft/apps/bench/operands.hpp>
#include <weft/apps/bench/tables.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/text.hpp>
#include <weft/kernels/kernel_table.hpp>

namespace weft::bench {

namespace {

using kernels::Format;
using kernels::LaneForm;

PatternPtr pattern_for(Format format) {
  switch (format) {
    case Format::paneled: return patterns::dense(512, 512);
    case Format::narrow: return patterns::conv2d({28, 28, 1}, 16, {.kernel = 3, .pad = 1});
    case Format::scalar: return patterns::random_blocks(1024, 1024, 1, 0.1, 42);
    case Format::diagonal: return patterns::conv2d({28, 28, 32}, 32, {.kernel = 3, .pad = 1, .groups = 32});
    case Format::any: return patterns::conv2d({7, 7, 16}, 16, {.kernel = 3, .pad = 1});
  }
  return nullptr;
}

struct Table {
  Context& context;
  bool begun = false;

  template <class Call, class MakeCall>
  void rows(const char* entry, std::span<const kernels::KernelRow<Call>> rows, MakeCall make) {
    for (const kernels::KernelRow<Call>& row : rows) {
      const std::string cell = cat("row/", row.name);
      if (!context.wants(cell)) continue;
      const PatternPtr s = pattern_for(row.format);
      const int n = row.lanes == LaneForm::one ? 1 : 64;
      if (!row.applies(*s, n == 1 ? 1 : 16)) continue;
      const ProductOperands operands(s, n);
      print(entry, row.name, s->name(), n,
            race(context, {{cell, operands.flops(), [&row, operands, make] { make(row, operands); }, {}}}).at(cell));
    }
  }

  void print(const std::string& entry, const std::string& name, const std::string& pattern, int n, const Outcome& o) {
    if (!std::exchange(begun, true)) {
      context.results.heading(cat("Every row of the kernel table, f32, ", team(), ", as it is"));
      context.results.line("  entry    row              GF/s    share  N    pattern");
    }
    context.results.line(
        cat("  ", left(entry, 9), left(name, 14), right(fixed(o.gflops, 1), 7), right(show_share(o), 9), "  ", left(cat(n), 5), pattern));
  }
};

}  // namespace

void rows_table(Context& context) {
  Table table{context};
  const Tensor none;
  const kernels::Epilogue plain;
  table.rows("spmm", kernels::spmm_rows(), [&](const auto& row, const ProductOperands& o) {
    row.run(Dtype::f32, {*o.pattern, o.values, none, o.x, plain, o.y});
  });
  table.rows("spmm_t", kernels::spmm_t_rows(), [](const auto& row, const ProductOperands& o) {
    row.run(Dtype::f32, {*o.pattern, o.values, o.dy, o.dx});
  });
  table.rows("sddmm", kernels::sddmm_rows(), [&](const auto& row, const ProductOperands& o) {
    row.run(Dtype::f32, {*o.pattern, o.dy, o.x, o.dvalues, none, plain});
  });
}

}  // namespace weft::bench
