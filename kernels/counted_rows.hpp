#pragma once

#include <cstdint>

#include <weft/core/columns.hpp>
#include <weft/core/tensor.hpp>

namespace weft::kernels {

/// The Columns of a tiled tensor; one column in one lane for a plain one.
inline Columns columns_of(const Tensor& x) { return x.is_tiled() ? *x.columns() : Columns{1, 1, 0}; }

/// The rows of each column that enter a loss or a pool. Where columns carry lengths, the first of two or more row axes is time, and the
/// rows of steps at or beyond a column's length stay out.
class CountedRows {
 public:
  /// `total` rows are counted in all: rows.size(), or less where an axis is summed over.
  CountedRows(const Shape& rows, std::int64_t total)
      : timed_(rows.rank() >= 2), steps_(timed_ ? rows[0] : 1), a_step_(steps_ == 0 ? 0 : total / steps_) {}

  /// Rows under one step: row r belongs to step r / a_step().
  std::int64_t a_step() const { return a_step_; }
  /// Steps of column n, a padding lane's being the last valid column's.
  std::int64_t steps(const Columns& columns, std::int64_t n) const { return timed_ ? columns.length(n, steps_) : steps_; }
  /// Rows [0, of) of column n are counted; none of a padding lane.
  std::int64_t of(const Columns& columns, std::int64_t n) const { return n < columns.count ? steps(columns, n) * a_step_ : 0; }
  /// Over all columns.
  std::int64_t sum(const Columns& columns) const {
    std::int64_t rows = 0;
    for (std::int64_t n = 0; n < columns.count; ++n) rows += of(columns, n);
    return rows;
  }

 private:
  bool timed_;
  std::int64_t steps_, a_step_;
};

}  // namespace weft::kernels
