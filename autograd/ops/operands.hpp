#pragma once

#include <weft/autograd/tape.hpp>

namespace weft {

/// Throws UsageError unless x is f32 or f64.
void require_float(const char* op, Var x);
/// Throws UsageError unless both have the same floating dtype.
void require_same_dtype(const char* op, Var a, Var b);
/// Throws ShapeError unless both have equal Columns (or none).
void require_same_columns(const char* op, Var a, Var b);
/// Throws ShapeError unless x is plain with `length` elements; `role` names it.
void require_plain(const char* op, const char* role, Var x, std::int64_t length);
/// Throws ShapeError unless ids are tiled with a last row axis of 1, UsageError unless they are i32 in [0, vocabulary), padding included.
void require_ids(const char* op, const Tape& tape, const Tensor& ids, std::int64_t vocabulary);
/// The extent of the last row axis. Throws ShapeError if x is a scalar or the axis is empty.
std::int64_t last_axis(const char* op, Var x);
/// The row axes before the last; one row if there are none.
Shape leading_rows(const Shape& rows);
/// One element, no Columns.
bool is_scalar(Var x);
/// "12x4, N = 9".
std::string shape_text(Var x);
/// A plain scalar from the tape's pool, of x's dtype.
Tensor scalar_like(Var x, double value);
/// The one element of a scalar.
double scalar_value(const Tensor& x);
/// A plain [sums.size()] tensor of g's dtype: the gradient of a per-channel parameter.
void write_plain(const double* sums, const Tensor& g);

}  // namespace weft
