#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <weft/core/sparse_pattern.hpp>

namespace weft::kernels {

/// The forward product's schedule: each block row as runs of neighbouring blocks whose values and X rows both follow on
/// (a 3x3 convolution has 3 runs a row, a dense row 1). Blocks of several panels are one run each.
struct RunPlan {
  struct Run {
    std::int32_t slot;    ///< first slot
    std::int32_t x_row;   ///< first row of X
    std::int32_t length;  ///< rows of X
  };
  std::vector<std::int64_t> ptr;  ///< [grid_rows + 1]
  std::vector<Run> runs;
  bool repeats = false;  ///< some block row holds one slot twice: its runs may not be summed side by side

  std::int64_t bytes() const { return static_cast<std::int64_t>(ptr.size() * sizeof(ptr[0]) + runs.size() * sizeof(Run)); }
  static RunPlan make(const SparsePattern& s);
};

/// Block rows that differ only by a shift: the same slots in the same order, X rows moved on by `x_shift` from one to the next.
/// The one-lane kernels let the rows of a group share each weight they load.
struct GroupPlan {
  struct Group {
    std::int32_t first, count;
    std::int32_t x_shift;
  };
  std::vector<Group> groups;

  std::int64_t bytes() const { return static_cast<std::int64_t>(groups.size() * sizeof(Group)); }
  static GroupPlan make(const SparsePattern& s);
};

/// Block rows by the slots that they share, through others too: no class holds a slot of another, so that classes sum their weight
/// gradients in place, side by side. A matrix repeated along the diagonal has a class for each of its block rows.
struct ClassPlan {
  /// Rows first, first + row_step, …: the same slots in the same order, X rows moved on by `x_shift` from one to the next.
  struct Group {
    std::int32_t first, count, row_step;
    std::int32_t x_shift;
  };
  std::vector<std::int64_t> ptr;   ///< groups of each class: [classes + 1]
  std::vector<std::int64_t> rows;  ///< of the classes before each: [classes + 1]
  std::vector<std::int64_t> cost;  ///< their blocks
  std::vector<Group> groups;

  std::int64_t classes() const { return static_cast<std::int64_t>(ptr.size()) - 1; }
  std::int64_t bytes() const {
    return static_cast<std::int64_t>((ptr.size() + rows.size() + cost.size()) * sizeof(ptr[0]) + groups.size() * sizeof(Group));
  }
  /// Calls f(group) for the rows of a class that are the `share`-th of `shares` parts of them.
  template <class F>
  void for_share(std::int64_t c, std::int64_t share, std::int64_t shares, F&& f) const {
    const auto at = static_cast<std::size_t>(c);
    const std::int64_t count = rows[at + 1] - rows[at], begin = count * share / shares, end = count * (share + 1) / shares;
    std::int64_t before = 0;
    for (std::int64_t g = ptr[at]; g < ptr[at + 1]; ++g) {
      const Group& group = groups[static_cast<std::size_t>(g)];
      const std::int64_t first = std::max(begin - before, std::int64_t{0}), last = std::min<std::int64_t>(end - before, group.count);
      before += group.count;
      if (first >= last) continue;
      f(Group{static_cast<std::int32_t>(group.first + first * group.row_step), static_cast<std::int32_t>(last - first), group.row_step,
              group.x_shift});
    }
  }
  static ClassPlan make(const SparsePattern& s);
};

/// Where each row of scalar entries passes from one stretch of columns to the next: row r takes entries ptr[r·panels + p] to
/// ptr[r·panels + p + 1] from stretch p. A stretch of X stays in L1 while many rows read it; one stretch where rows have few entries or
/// the stored order, which fixes the sum's, is not ascending.
struct ColumnPanels {
  std::int64_t panels;
  std::vector<std::int64_t> ptr;  ///< [rows · panels + 1]

  std::int64_t bytes() const { return static_cast<std::int64_t>(ptr.size() * sizeof(ptr[0])); }
  static ColumnPanels make(const SparsePattern& s);
};

}  // namespace weft::kernels
