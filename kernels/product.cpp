#include <weft/kernels/product.hpp>

#include <algorithm>

#include <weft/core/cache.hpp>
#include <weft/core/error.hpp>
#include <weft/core/log.hpp>
#include <weft/core/text.hpp>
#include <weft/kernels/kernel_table.hpp>

namespace weft::kernels {

namespace {

void require_operand(const char* op, const SparsePattern& s, const char* what, const Tensor& t, std::int64_t rows, const Tensor& values) {
  if (!t.is_tiled() || t.row_count() != rows)
    throw ShapeError({.op = op,
                      .path = s.name(),
                      .what = cat("S is ", s.rows(), " x ", s.cols(), ", ", what, " has ", t.row_count(), " rows, expected ", rows)});
  if (t.dtype() != values.dtype() || (t.dtype() != Dtype::f32 && t.dtype() != Dtype::f64))
    throw UsageError(
        {.op = op,
         .path = s.name(),
         .what = cat(what, " is ", name_of(t.dtype()), ", the values are ", name_of(values.dtype()), "; both must be f32 or f64")});
}

void require_values(const char* op, const SparsePattern& s, const Tensor& values) {
  if (values.is_tiled() || values.row_count() != s.values_size())
    throw ShapeError(
        {.op = op, .path = s.name(), .what = cat("the pattern stores ", s.values_size(), " values, got ", values.row_count())});
}

void require_bias(const char* op, const SparsePattern& s, const Tensor& bias) {
  if (bias.defined() && (bias.row_count() == 0 || s.rows() % bias.row_count() != 0))
    throw ShapeError(
        {.op = op, .path = s.name(), .what = cat("bias has ", bias.row_count(), " entries, which do not divide the ", s.rows(), " rows")});
}

void require_same_columns(const char* op, const SparsePattern& s, const Tensor& a, const Tensor& b) {
  if (!(*a.columns() == *b.columns()))
    throw ShapeError({.op = op,
                      .path = s.name(),
                      .what = cat("columns differ: ", a.columns()->count, " in ", a.columns()->lanes, " lanes and ", b.columns()->count,
                                  " in ", b.columns()->lanes)});
}

/// Why a row runs: what of the call it serves.
std::string reason(const SparsePattern& s, int lanes, Dtype dtype) {
  const ValueLayout& block = s.block();
  const char* format = block.paneled() ? "dense blocks in panels" : block.scalar() ? "scalar entries" : "diagonal blocks";
  const std::int64_t bytes = s.values_size() * static_cast<std::int64_t>(size_of(dtype));
  return cat("first row for ", format, " (", block.height, "x", block.width, ", ", s.blocks(), " stored) with ", lanes,
             lanes == 1 ? " lane" : " lanes", "; ", bytes, " bytes of values ",
             bytes > l2_bytes() ? "stream from beyond L2: prefetched" : "fit L2");
}

/// The first row that applies; with a log sink, says which and why.
template <class Call>
const KernelRow<Call>& choose(std::span<const KernelRow<Call>> rows, const SparsePattern& s, int lanes, Dtype dtype, const char* entry) {
  for (const KernelRow<Call>& row : rows)
    if (row.applies(s, lanes)) {
      if (log_wanted()) log(cat(entry, " ", row.name, " (", isa_name(), "): ", s.name(), ": ", reason(s, lanes, dtype)));
      return row;
    }
  throw UsageError({.op = entry, .path = s.name(), .what = "no kernel row applies"});
}

const KernelRow<SpmmCall>& choose_forward(const SparsePattern& s, const Tensor& values, const Tensor& x, const Tensor& y,
                                          std::int64_t y_rows) {
  require_values("spmm", s, values);
  require_operand("spmm", s, "X", x, s.cols(), values);
  require_operand("spmm", s, "Y", y, y_rows, values);
  require_same_columns("spmm", s, x, y);
  return choose(spmm_rows(), s, x.columns()->lanes, x.dtype(), "spmm");
}

const KernelRow<SpmmTCall>& choose_transposed(const SparsePattern& s, const Tensor& values, const Tensor& dy, const Tensor& dx) {
  require_values("spmm_t", s, values);
  require_operand("spmm_t", s, "dY", dy, s.rows(), values);
  require_operand("spmm_t", s, "dX", dx, s.cols(), values);
  require_same_columns("spmm_t", s, dy, dx);
  return choose(spmm_t_rows(), s, dy.columns()->lanes, dy.dtype(), "spmm_t");
}

/// dvalues and dbias from dy, the gradient of what the window of `e` (if any) leaves of the product.
void sddmm(const SparsePattern& s, const Epilogue& e, const Tensor& dy, const Tensor& x, const Tensor& dvalues, const Tensor& dbias) {
  require_values("sddmm", s, dvalues);
  require_bias("sddmm", s, dbias);
  require_operand("sddmm", s, "dY", dy, e.window ? e.window.out().size() : s.rows(), dvalues);
  require_operand("sddmm", s, "X", x, s.cols(), dvalues);
  require_same_columns("sddmm", s, dy, x);
  choose(sddmm_rows(), s, dy.columns()->lanes, dy.dtype(), "sddmm").run(dy.dtype(), {s, dy, x, dvalues, dbias, e});
}

/// True if the weight gradient undoes the window itself and nothing else reads the expanded dy.
bool takes_window(const SparsePattern& s, const Epilogue& e, const Tensor& dy, const ProductGradients& want) {
  if (!e.window || e.window.in.c != s.block().height || want.dx.defined() || want.dresidual.defined()) return false;
  const auto rows = sddmm_rows();
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const auto& r) { return r.applies(s, dy.columns()->lanes); });
  return row != rows.end() && row->fuses == Fuses::yes;
}

}  // namespace

void spmm(const SparsePattern& s, const Tensor& values, const Tensor& bias, const Tensor& x, const Epilogue& e, const Tensor& y) {
  require_bias("spmm", s, bias);
  const KernelRow<SpmmCall>& row = choose_forward(s, values, x, y, e.window ? e.window.out().size() : s.rows());
  const bool window_fits = !e.window || (e.window.in.c % s.block().height == 0 && !e.residual.defined());
  if (e.empty() || (row.fuses == Fuses::yes && window_fits)) return row.run(x.dtype(), {s, values, bias, x, e, y});
  const Tensor z = e.window ? Tensor::tiled(x.dtype(), {s.rows()}, x.columns()) : y;
  row.run(x.dtype(), {s, values, bias, x, Epilogue(), z});
  apply_epilogue(e, z, y);
}

void spmm_add(const SparsePattern& s, const Tensor& values, const Tensor& x, const Tensor& y) {
  choose_forward(s, values, x, y, s.rows()).run(x.dtype(), {s, values, Tensor(), x, Epilogue(), y, true});
}

void spmm_cell(const SparsePattern& s, const Tensor& values, const Tensor& x, Cell which, const CellStep& step) {
  const bool adds = step.hidden.empty();
  const Tensor& y = adds ? step.z : step.hidden.back();
  const KernelRow<SpmmCall>& row = choose_forward(s, values, x, y, s.rows());
  const CellCall cell_call{which, step};
  const bool fused = row.fuses == Fuses::yes && step.h.row_count() % s.block().height == 0;
  row.run(x.dtype(), {s, values, Tensor(), x, Epilogue(), y, adds, fused ? &cell_call : nullptr});
  if (!fused) cell(which, step);
}

void spmm_t(const SparsePattern& s, const Tensor& values, const Tensor& dy, const Tensor& dx) {
  choose_transposed(s, values, dy, dx).run(dy.dtype(), {s, values, dy, dx});
}

void spmm_t_add(const SparsePattern& s, const Tensor& values, const Tensor& dy, const Tensor& dx) {
  choose_transposed(s, values, dy, dx).run(dy.dtype(), {s, values, dy, dx, true});
}

void sddmm(const SparsePattern& s, const Tensor& dy, const Tensor& x, const Tensor& dvalues, const Tensor& dbias) {
  sddmm(s, Epilogue(), dy, x, dvalues, dbias);
}

void spmm_backward(const SparsePattern& s, const Tensor& values, const Tensor& x, const Epilogue& e, const Tensor& y, const Tensor& dy,
                   const ProductGradients& want, const Pool& pool) {
  Tensor dz = dy;
  const bool pooled = takes_window(s, e, dy, want);
  if (!pooled && (e.window || e.map.map != Map::identity)) {
    dz = want.dresidual.defined() ? want.dresidual : Tensor::tiled(dy.dtype(), {s.rows()}, dy.columns(), pool);
    expand_gradient(e, y, dy, dz);
  }
  if (want.dvalues.defined() || want.dbias.defined()) {
    const Tensor dvalues = want.dvalues.defined() ? want.dvalues : Tensor::plain(values.dtype(), {s.values_size()}, pool);
    sddmm(s, pooled ? e : Epilogue(), dz, x, dvalues, want.dbias);
  }
  if (want.dx.defined()) spmm_t(s, values, dz, want.dx);
}

}  // namespace weft::kernels
