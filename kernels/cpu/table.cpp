// Gather and scatter-add between the rows of a dense table and the columns of Y, [tile][leading row][d][lane].
#include <weft/kernels/table.hpp>

#include <weft/kernels/cpu/lines.hpp>

namespace weft::kernels {

void read_rows(const ValueLayout& layout, const Tensor& table, const Tensor& ids, const Tensor& y) {
  const Lines lines(y);
  by_float(y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    parallel_for(lines.count, [&](std::int64_t line) {
      const std::int32_t* id = lines.head_of<std::int32_t>(ids, line);
      T* out = lines.of<T>(y, line);
      for (int k = 0; k < layout.width; ++k)
        for (int l = 0; l < lines.lanes; ++l) out[k * lines.lanes + l] = table.data<T>()[layout.offset(id[l], k)];
    });
  });
}

void scatter_add_rows(const ValueLayout& layout, const Tensor& ids, const Tensor& dy, const Tensor& table) {
  const Lines lines(dy);
  const Columns& columns = *dy.columns();
  by_float(dy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    parallel_for(layout.width, [&](std::int64_t k) {  // a column of the table for itself: no two threads add to one number
      for (std::int64_t line = 0; line < lines.count; ++line) {
        const std::int32_t* id = lines.head_of<std::int32_t>(ids, line);
        const T* slope = lines.of<T>(dy, line) + k * lines.lanes;
        const int valid = columns.valid_lanes(lines.tile_of(line));
        for (int l = 0; l < valid; ++l) table.data<T>()[layout.offset(id[l], static_cast<int>(k))] += slope[l];
      }
    });
  });
}

}  // namespace weft::kernels
