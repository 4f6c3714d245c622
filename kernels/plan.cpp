#include <weft/kernels/plan.hpp>

#include <algorithm>
#include <map>
#include <numeric>

#include <weft/core/error.hpp>

namespace weft::kernels {

namespace {

bool repeats_a_slot(const SparsePattern& s, std::int64_t begin, std::int64_t end) {
  std::vector<std::int32_t> slots;
  for (std::int64_t e = begin; e < end; ++e) slots.push_back(s.slot(e));
  std::sort(slots.begin(), slots.end());
  return std::adjacent_find(slots.begin(), slots.end()) != slots.end();
}

}  // namespace

RunPlan RunPlan::make(const SparsePattern& s) {
  WEFT_CHECK(s.cols() < INT32_MAX);
  const ValueLayout& block = s.block();
  RunPlan plan;
  plan.ptr.push_back(0);
  const auto row_ptr = s.row_ptr();
  const auto col = s.col();
  for (std::size_t r = 0; r + 1 < row_ptr.size(); ++r) {
    std::int32_t next_slot = -1, next_col = -1;
    for (std::int64_t e = row_ptr[r]; e < row_ptr[r + 1]; ++e) {
      const std::int32_t slot = s.slot(e), c = col[static_cast<std::size_t>(e)];
      const int width = s.width_of(c);
      if (block.panels() == 1 && slot == next_slot && c == next_col) plan.runs.back().length += width;
      else plan.runs.push_back({slot, c * block.width, width});
      next_slot = slot + 1;
      next_col = c + 1;
    }
    plan.ptr.push_back(static_cast<std::int64_t>(plan.runs.size()));
    plan.repeats = plan.repeats || (s.tied() && repeats_a_slot(s, row_ptr[r], row_ptr[r + 1]));
  }
  plan.runs.shrink_to_fit();
  return plan;
}

namespace {

using Run = RunPlan::Run;

/// How far the runs of block row b lie behind those of a; nothing but a shift may differ.
bool shifted(const RunPlan& plan, std::int64_t a, std::int64_t b, std::int32_t& shift) {
  const auto at = [&](std::int64_t r) { return plan.runs.begin() + plan.ptr[static_cast<std::size_t>(r)]; };
  const std::int64_t count = at(a + 1) - at(a);
  if (count == 0 || at(b + 1) - at(b) != count) return false;
  shift = at(b)->x_row - at(a)->x_row;
  return std::equal(at(a), at(a + 1), at(b),
                    [&](const Run& p, const Run& q) { return p.slot == q.slot && p.length == q.length && q.x_row - p.x_row == shift; });
}

}  // namespace

GroupPlan GroupPlan::make(const SparsePattern& s) {
  const RunPlan& plan = s.plan<RunPlan>(RunPlan::make);
  GroupPlan groups;
  for (std::int64_t r = 0; r < s.grid_rows(); ++r) {
    std::int32_t shift = 0;
    if (!groups.groups.empty() && r > 0 && s.height_of(r) == s.height_of(r - 1)) {
      GroupPlan::Group& last = groups.groups.back();
      if (shifted(plan, r - 1, r, shift) && (last.count == 1 || shift == last.x_shift)) {
        last.x_shift = shift;
        ++last.count;
        continue;
      }
    }
    groups.groups.push_back({static_cast<std::int32_t>(r), 1, 0});
  }
  return groups;
}

namespace {

/// Sets of block rows that share slots: the root of each row's set.
class SharedSlots {
 public:
  explicit SharedSlots(const SparsePattern& s) : parent_(static_cast<std::size_t>(s.grid_rows())) {
    std::iota(parent_.begin(), parent_.end(), 0);
    std::vector<std::int32_t> user(static_cast<std::size_t>(s.slots()), -1);
    for (std::int32_t r = 0; r < s.grid_rows(); ++r)
      for (std::int64_t e = s.row_ptr()[static_cast<std::size_t>(r)]; e < s.row_ptr()[static_cast<std::size_t>(r) + 1]; ++e) {
        std::int32_t& first = user[static_cast<std::size_t>(s.slot(e))];
        if (first < 0) first = r;
        else parent_[static_cast<std::size_t>(root(r))] = root(first);
      }
  }
  std::int32_t root(std::int32_t r) {
    while (parent_[static_cast<std::size_t>(r)] != r) {
      std::int32_t& above = parent_[static_cast<std::size_t>(r)];
      r = above = parent_[static_cast<std::size_t>(above)];
    }
    return r;
  }

 private:
  std::vector<std::int32_t> parent_;
};

}  // namespace

ClassPlan ClassPlan::make(const SparsePattern& s) {
  const RunPlan& plan = s.plan<RunPlan>(RunPlan::make);
  SharedSlots shared(s);
  std::map<std::int32_t, std::vector<std::int32_t>> classes;
  for (std::int32_t r = 0; r < s.grid_rows(); ++r) classes[shared.root(r)].push_back(r);
  ClassPlan made{{0}, {0}, {0}, {}};
  for (const auto& [root, rows] : classes) {
    std::int64_t blocks = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::int32_t r = rows[i];
      blocks += s.row_ptr()[static_cast<std::size_t>(r) + 1] - s.row_ptr()[static_cast<std::size_t>(r)];
      std::int32_t shift = 0;
      if (i > 0 && s.height_of(r) == s.height_of(rows[i - 1]) && shifted(plan, rows[i - 1], r, shift)) {
        Group& last = made.groups.back();
        const std::int32_t step = r - rows[i - 1];
        if (last.count == 1 || (shift == last.x_shift && step == last.row_step)) {
          last = {last.first, last.count + 1, step, shift};
          continue;
        }
      }
      made.groups.push_back({r, 1, 1, 0});
    }
    made.ptr.push_back(static_cast<std::int64_t>(made.groups.size()));
    made.rows.push_back(made.rows.back() + static_cast<std::int64_t>(rows.size()));
    made.cost.push_back(made.cost.back() + blocks);
  }
  return made;
}

ColumnPanels ColumnPanels::make(const SparsePattern& s) {
  constexpr std::int64_t kWidth = 256, kFewEntries = 16;  // 256 rows of two tiles are 32 KiB
  const auto row_ptr = s.row_ptr();
  const auto col = s.col();
  ColumnPanels plan{(s.cols() + kWidth - 1) / kWidth, {}};
  bool ascending = true;
  for (std::size_t r = 0; r + 1 < row_ptr.size(); ++r)
    ascending = ascending && std::is_sorted(col.begin() + row_ptr[r], col.begin() + row_ptr[r + 1]);
  if (!ascending || plan.panels < 2 || s.blocks() < kFewEntries * plan.panels * s.rows()) return {1, {row_ptr.begin(), row_ptr.end()}};
  for (std::size_t r = 0; r + 1 < row_ptr.size(); ++r)
    for (std::int64_t p = 0; p < plan.panels; ++p)
      plan.ptr.push_back(std::lower_bound(col.begin() + row_ptr[r], col.begin() + row_ptr[r + 1], p * kWidth) - col.begin());
  plan.ptr.push_back(s.blocks());
  return plan;
}

}  // namespace weft::kernels
