#pragma once

#include <weft/core/sparse_pattern.hpp>
#include <weft/core/tensor.hpp>

namespace weft::kernels {

// Products with one-hot columns: Y = S(values)ᵀ·E, where column n of E holds a one at row id. `ids` (i32) has one row for each leading
// row of Y [lead…, S.cols(), N], and its Columns; every stored id, padding included, lies in [0, S.rows()).

/// y[…, :, n] = row ids[…, n] of S(values). Reads d values a column, nothing else of S.
void lookup(const SparsePattern& s, const Tensor& values, const Tensor& ids, const Tensor& y);
/// dvalues += dy·Eᵀ gathered on the pattern. Each entry of S adds what arrives at its id in one sum, in double, by leading row and then by
/// column; entries that share a slot are added in the order of their ids. Cost: a sort of the ids and one pass over dy; of dvalues only
/// the rows of ids that occur are touched.
void lookup_grad(const SparsePattern& s, const Tensor& ids, const Tensor& dy, const Tensor& dvalues);

}  // namespace weft::kernels
