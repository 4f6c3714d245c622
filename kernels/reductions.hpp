#pragma once

#include <vector>

#include <weft/core/tensor.hpp>
#include <weft/kernels/arithmetic.hpp>

namespace weft::kernels {

// Over all rows of each column. x may be a row view; results have one row. Sums are taken in double.

/// y[n] = scale · Σ_r x[r][n].
void sum_rows(const Tensor& x, double scale, const Tensor& y);
/// dx[r][n] = scale · dy[n].
void spread_rows(const Tensor& dy, double scale, const Tensor& dx);
/// y[n] = the largest (maximum) or smallest (minimum) x[r][n]; `where` (i32) gets the first row that holds it.
/// Throws ShapeError if there are no rows.
void extreme_rows(Binary which, const Tensor& x, const Tensor& y, const Tensor& where);
/// dx is dy[n] at row where[n] and zero elsewhere.
void place_rows(const Tensor& where, const Tensor& dy, const Tensor& dx);

/// For each place on the last row axis the sum over leading rows and columns; padding lanes must hold zeros.
std::vector<double> channel_sums(const Tensor& x);
/// Σ over all rows and valid columns; for a plain tensor over all elements.
double sum_all(const Tensor& x);
/// `value` in valid columns, zero in padding lanes.
void fill_valid(const Tensor& x, double value);

}  // namespace weft::kernels
