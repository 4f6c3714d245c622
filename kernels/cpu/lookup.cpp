// Rows of a matrix of blocks, picked by id. Y lies [tile][leading row][d][lane]: a lane takes the row of its own id.
// Bound by memory: the entries of a row lie one in each column of a panel.
#include <weft/kernels/lookup.hpp>

#include <algorithm>
#include <vector>

#include <weft/kernels/cpu/lines.hpp>

namespace weft::kernels {

namespace {

/// Calls f(column, place in the values) for every stored entry of a row of S.
template <class F>
void for_row(const SparsePattern& s, std::int64_t row, F&& f) {
  const ValueLayout& block = s.block();
  const auto r = static_cast<std::size_t>(row / block.height);
  const int m = static_cast<int>(row % block.height);
  for (std::int64_t e = s.row_ptr()[r]; e < s.row_ptr()[r + 1]; ++e) {
    const std::int32_t slot = s.slot(e), c = s.col()[static_cast<std::size_t>(e)];
    const bool dense = block.kind == BlockKind::dense;
    const int begin = dense ? 0 : m, end = dense ? s.width_of(c) : std::min(m + 1, s.width_of(c));
    for (int k = begin; k < end; ++k)
      if (!s.masked() || s.kept(slot, m, k)) f(std::int64_t{c} * block.width + k, slot * block.slot_size() + block.offset(m, k));
  }
}

/// One column of Y that was looked up.
struct Use {
  std::int32_t id;
  std::int64_t at;  ///< its first element in dy
};

/// All uses, by id, then by leading row, then by column.
std::vector<Use> uses_by_id(const Tensor& ids, const Tensor& dy, const Lines& lines) {
  const Columns& columns = *dy.columns();
  std::vector<Use> uses;
  uses.reserve(static_cast<std::size_t>(lines.lead * columns.count));
  for (std::int64_t row = 0; row < lines.lead; ++row)
    for (std::int64_t n = 0; n < columns.count; ++n) {
      const std::int64_t tile = n / columns.lanes, lane = n % columns.lanes;
      uses.push_back({ids.data<std::int32_t>()[tile * ids.tile_stride() + row * columns.lanes + lane],
                      tile * dy.tile_stride() + row * lines.length * columns.lanes + lane});
    }
  std::stable_sort(uses.begin(), uses.end(), [](const Use& a, const Use& b) { return a.id < b.id; });
  return uses;
}

/// Where the uses of each id begin, and their end.
std::vector<std::size_t> bounds_of(const std::vector<Use>& uses) {
  std::vector<std::size_t> bounds;
  for (std::size_t i = 0; i < uses.size(); ++i)
    if (i == 0 || uses[i].id != uses[i - 1].id) bounds.push_back(i);
  bounds.push_back(uses.size());
  return bounds;
}

}  // namespace

void lookup(const SparsePattern& s, const Tensor& values, const Tensor& ids, const Tensor& y) {
  const Lines lines(y);
  by_float(y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* value = values.data<T>();
    parallel_for(lines.count, [&](std::int64_t line) {
      const std::int32_t* id = lines.head_of<std::int32_t>(ids, line);
      T* out = lines.of<T>(y, line);
      std::fill_n(out, lines.length * lines.lanes, T{0});
      for (int l = 0; l < lines.lanes; ++l)
        for_row(s, id[l], [&](std::int64_t column, std::int64_t place) { out[column * lines.lanes + l] += value[place]; });
    });
  });
}

void lookup_grad(const SparsePattern& s, const Tensor& ids, const Tensor& dy, const Tensor& dvalues) {
  const Lines lines(dy);
  const std::vector<Use> uses = uses_by_id(ids, dy, lines);
  const std::vector<std::size_t> bounds = bounds_of(uses);
  by_float(dy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* slope = dy.data<T>();
    T* sum = dvalues.data<T>();
    const auto add_id = [&](std::int64_t i) {
      const std::size_t begin = bounds[static_cast<std::size_t>(i)], end = bounds[static_cast<std::size_t>(i) + 1];
      for_row(s, uses[begin].id, [&](std::int64_t column, std::int64_t place) {
        double total = 0;
        for (std::size_t u = begin; u < end; ++u) total += static_cast<double>(slope[uses[u].at + column * lines.lanes]);
        sum[place] += static_cast<T>(total);
      });
    };
    const auto distinct = static_cast<std::int64_t>(bounds.size()) - 1;
    const bool own_entries = !s.tied() && s.block().kind != BlockKind::identity;
    if (own_entries) parallel_for(distinct, add_id);
    else
      for (std::int64_t i = 0; i < distinct; ++i) add_id(i);  // ids share entries
  });
}

}  // namespace weft::kernels
