#pragma once

#include <weft/core/tensor.hpp>
#include <weft/core/value_layout.hpp>

namespace weft::kernels {

// The conventional lookup: rows of a dense table, which lies as a dense block of all its rows and columns. `ids` as in lookup.hpp's.

/// y[…, :, n] = row ids[…, n] of the table.
void read_rows(const ValueLayout& layout, const Tensor& table, const Tensor& ids, const Tensor& y);
/// table row ids[…, n] += dy[…, :, n], column by column of dy.
void scatter_add_rows(const ValueLayout& layout, const Tensor& ids, const Tensor& dy, const Tensor& table);

}  // namespace weft::kernels
