// Links of a recurrence: who takes whose state.
#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/text.hpp>

namespace weft::patterns {

namespace {

/// Step t takes step t - by[kind], kind by kind.
PatternPtr shifted(const char* op, std::int64_t steps, const std::vector<int>& by, Carry carry) {
  for (const int distance : by)
    if (steps < 0 || distance < 1)
      throw ShapeError({.op = op, .what = cat(steps, " steps with links ", distance, " back"), .hint = "a link reaches back by 1 or more"});
  const std::int64_t carried = carry == Carry::yes ? *std::max_element(by.begin(), by.end()) : 0;
  PatternSpec spec{.rows = steps, .cols = carried + steps, .block = {BlockKind::dense, 1, 1}, .row_ptr = {0}};
  for (std::int64_t t = 0; t < steps; ++t) {
    for (std::size_t kind = 0; kind < by.size(); ++kind)
      if (const std::int64_t source = carried + t - by[kind]; source >= 0) {
        spec.col.push_back(static_cast<std::int32_t>(source));
        spec.tie.push_back(static_cast<std::int32_t>(kind));
      }
    spec.row_ptr.push_back(static_cast<std::int64_t>(spec.col.size()));
  }
  spec.slots = static_cast<std::int32_t>(by.size());
  spec.row_key.resize(static_cast<std::size_t>(steps));
  spec.col_key.resize(static_cast<std::size_t>(carried + steps));
  std::iota(spec.row_key.begin(), spec.row_key.end(), carried);
  std::iota(spec.col_key.begin(), spec.col_key.end(), 0);
  spec.name = cat(op, " ", steps, ", ", by.back(), carry == Carry::yes ? " back, carried" : " back");
  return make_pattern(std::move(spec));
}

}  // namespace

PatternPtr dilated(std::int64_t steps, int by, Carry carry) { return shifted("dilated", steps, {by}, carry); }

PatternPtr skip(std::int64_t steps, int by, Carry carry) {
  if (by < 2) throw ShapeError({.op = "skip", .what = cat("the longer link reaches back by ", by), .hint = "give 2 or more"});
  return shifted("skip", steps, {1, by}, carry);
}

PatternPtr leading(const PatternPtr& links, std::int64_t steps) {
  const SparsePattern& s = *links;
  const auto refuse = [&](const std::string& what, const std::string& hint) {
    throw ShapeError({.op = "leading", .path = s.name(), .what = what, .hint = hint});
  };
  if (!s.block().scalar() || s.masked() || s.cols() < s.rows())
    refuse(cat(s.rows(), " x ", s.cols(), " are no links"), "give scalars, a column for each step after those of the carried ones");
  if (steps < 0 || steps > s.rows()) refuse(cat(steps, " steps of ", s.rows()), "build links for the longest sequence");
  return leading(links, steps, s.cols() - s.rows() + steps);
}

PatternPtr tree_from_parents(const std::vector<std::int32_t>& parents) {
  const auto n = static_cast<std::int64_t>(parents.size());
  std::vector<std::vector<std::int32_t>> children(parents.size());
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int32_t parent = parents[static_cast<std::size_t>(i)];
    if (parent != -1 && (parent <= i || parent >= n))
      throw ShapeError({.op = "tree_from_parents",
                        .what = cat("node ", i, " of ", n, " has parent ", parent),
                        .hint = "number children before their parents; a root's parent is -1"});
    if (parent >= 0) children[static_cast<std::size_t>(parent)].push_back(static_cast<std::int32_t>(i));
  }
  PatternSpec spec{.rows = n, .cols = n, .block = {BlockKind::dense, 1, 1}, .row_ptr = {0}};
  for (const std::vector<std::int32_t>& of_node : children) {
    spec.col.insert(spec.col.end(), of_node.begin(), of_node.end());
    spec.row_ptr.push_back(static_cast<std::int64_t>(spec.col.size()));
  }
  spec.tie.assign(spec.col.size(), 0);
  spec.slots = 1;
  spec.name = cat("tree of ", n, " nodes");
  return make_pattern(std::move(spec));
}

}  // namespace weft::patterns
