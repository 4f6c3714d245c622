#include <weft/autograd/ops/operands.hpp>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

void require_float(const char* op, Var x) {
  if (x.dtype() == Dtype::f32 || x.dtype() == Dtype::f64) return;
  throw UsageError({.op = op,
                    .path = x.tape().path(),
                    .what = cat("the input is ", name_of(x.dtype()), ", not f32 or f64"),
                    .hint = "only floating tensors have gradients; give indices as plain Tensors"});
}

void require_same_dtype(const char* op, Var a, Var b) {
  require_float(op, a);
  require_float(op, b);
  if (a.dtype() == b.dtype()) return;
  throw UsageError({.op = op,
                    .path = a.tape().path(),
                    .what = cat("the first operand is ", name_of(a.dtype()), ", the second ", name_of(b.dtype())),
                    .hint = "cast() one of them before it enters the tape"});
}

void require_same_columns(const char* op, Var a, Var b) {
  const ColumnsPtr& left = a.columns();
  const ColumnsPtr& right = b.columns();
  if (left == right || (left && right && *left == *right)) return;
  throw ShapeError({.op = op,
                    .path = a.tape().path(),
                    .what = cat("columns differ: ", shape_text(a), " against ", shape_text(b)),
                    .hint = "both must come from one batch, with the same lanes"});
}

void require_plain(const char* op, const char* role, Var x, std::int64_t length) {
  if (!x.columns() && x.rows().size() == length) return;
  throw ShapeError({.op = op, .path = x.tape().path(), .what = cat(role, " is ", shape_text(x), ", expected a plain tensor of ", length)});
}

void require_ids(const char* op, const Tape& tape, const Tensor& ids, std::int64_t vocabulary) {
  if (!ids.defined() || ids.dtype() != Dtype::i32)
    throw UsageError({.op = op,
                      .path = tape.path(),
                      .what = cat("ids are ", ids.defined() ? name_of(ids.dtype()) : "undefined", ", not i32"),
                      .hint = "give whole numbers as i32"});
  if (!ids.is_tiled() || ids.rows().rank() == 0 || ids.rows().back() != 1)
    throw ShapeError({.op = op,
                      .path = tape.path(),
                      .what = cat("ids have rows ", ids.rows().str(), ids.is_tiled() ? "" : " and no columns"),
                      .hint = "ids end in an axis of 1: [T, 1, N], or [1, N] for one a column"});
  const Columns& columns = *ids.columns();
  for (std::int64_t n = 0; n < columns.padded(); ++n)
    for (std::int64_t row = 0; row < ids.row_count(); ++row) {
      const std::int32_t id = ids.data<std::int32_t>()[n / columns.lanes * ids.tile_stride() + row * columns.lanes + n % columns.lanes];
      if (id >= 0 && id < vocabulary) continue;
      throw UsageError({.op = op,
                        .path = tape.path(),
                        .what = cat("id ", id, " at row ", row, ", column ", n, n < columns.count ? "" : " (padding)",
                                    " is outside the vocabulary of ", vocabulary),
                        .hint = cat("ids lie in [0, ", vocabulary, ")")});
    }
}

std::int64_t last_axis(const char* op, Var x) {
  if (x.rows().rank() > 0 && x.rows().back() > 0) return x.rows().back();
  throw ShapeError({.op = op, .path = x.tape().path(), .what = cat("the input is ", shape_text(x), ": no last row axis to work on")});
}

Shape leading_rows(const Shape& rows) {
  if (rows.rank() <= 1) return {1};
  Shape lead;
  for (int axis = 0; axis + 1 < rows.rank(); ++axis) lead = lead + rows[axis];
  return lead;
}

bool is_scalar(Var x) { return !x.columns() && x.rows().size() == 1; }

std::string shape_text(Var x) {
  if (!x.columns()) return cat(x.rows().str(), " without columns");
  return cat(x.rows().str(), " rows, N = ", x.columns()->count, " in ", x.columns()->lanes, x.columns()->lanes == 1 ? " lane" : " lanes");
}

Tensor scalar_like(Var x, double value) {
  Tensor scalar = Tensor::plain(x.dtype(), {1}, x.tape().pool());
  scalar.fill(value);
  return scalar;
}

double scalar_value(const Tensor& x) {
  return by_float(x.dtype(), [&](auto zero) { return static_cast<double>(*x.data<decltype(zero)>()); });
}

void write_plain(const double* sums, const Tensor& g) {
  by_float(g.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < g.row_count(); ++i) g.data<T>()[i] = static_cast<T>(sums[i]);
  });
}

}  // namespace weft
