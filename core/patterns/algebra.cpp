#include <algorithm>
#include <numeric>
#include <string>
#include <type_traits>
#include <vector>

#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/patterns/builder.hpp>
#include <weft/core/text.hpp>

namespace weft::patterns {

namespace {

struct Range {
  std::int64_t begin, end;
};

Range entries(const SparsePattern& s, std::int64_t r) {
  return {s.row_ptr()[static_cast<std::size_t>(r)], s.row_ptr()[static_cast<std::size_t>(r) + 1]};
}

std::int32_t col_of(const SparsePattern& s, std::int64_t e) { return s.col()[static_cast<std::size_t>(e)]; }

std::string size_of(const SparsePattern& s) {
  return cat(s.rows(), " x ", s.cols(), " in ", s.block().height, " x ", s.block().width, " blocks");
}

/// Blocks can be set side by side only if none of them is cut at the matrix edge.
void require_whole_blocks(const char* op, const SparsePattern& s, std::int64_t copies) {
  if (copies > 1 && (s.rows() % s.block().height != 0 || s.cols() % s.block().width != 0))
    throw ShapeError(
        {.op = op, .path = s.name(), .what = cat(size_of(s), " has a ragged edge"), .hint = "choose a block size that divides both sides"});
}

/// bits[m*width + k] becomes bits[k*height + m], mask by mask.
std::vector<std::uint64_t> transposed_masks(const SparsePattern& s) {
  const std::size_t words = mask_words(s.block());
  const int height = s.block().height, width = s.block().width;
  const ValueLayout turned{BlockKind::dense, width, height};
  std::vector<std::uint64_t> all;
  for (std::size_t first = 0; first < s.spec().mask_bits.size(); first += words) {
    Mask mask(words);
    for (int m = 0; m < height; ++m)
      for (int k = 0; k < width; ++k) {
        const auto bit = static_cast<std::size_t>(m * width + k);
        if ((s.spec().mask_bits[first + bit / 64] >> (bit % 64) & 1) != 0) keep(mask, turned, k, m);
      }
    all.insert(all.end(), mask.begin(), mask.end());
  }
  return all;
}

/// Boolean product of two blocks; empty (full) if both are full.
Mask product_mask(const SparsePattern& a, std::int32_t slot_a, const SparsePattern& b, std::int32_t slot_b, const ValueLayout& block) {
  if (block.kind != BlockKind::dense) return {};
  const bool full_a = a.block().kind == BlockKind::dense && mask_of(a, slot_a).empty();
  const bool full_b = b.block().kind == BlockKind::dense && mask_of(b, slot_b).empty();
  if (full_a && full_b) return {};
  Mask mask(mask_words(block));
  for (int m = 0; m < block.height; ++m)
    for (int j = 0; j < a.block().width; ++j)
      if (a.kept(slot_a, m, j))
        for (int k = 0; k < block.width; ++k)
          if (b.kept(slot_b, j, k)) keep(mask, block, m, k);
  return mask;
}

/// Reads `source` as a permutation of [0, n), the identity if it is empty; answers where each index goes.
std::vector<std::int32_t> destinations(const char* side, const std::vector<std::int32_t>& source, std::int64_t n, bool ragged) {
  std::vector<std::int32_t> to(static_cast<std::size_t>(n), -1);
  if (source.empty()) {
    std::iota(to.begin(), to.end(), 0);
    return to;
  }
  if (static_cast<std::int64_t>(source.size()) != n)
    throw ShapeError({.op = "permute", .what = cat(source.size(), " ", side, " sources for ", n, " block ", side, "s")});
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] < 0 || source[i] >= n || to[static_cast<std::size_t>(source[i])] >= 0)
      throw ShapeError({.op = "permute", .what = cat(side, " source ", source[i], " is outside [0, ", n, ") or given twice")});
    to[static_cast<std::size_t>(source[i])] = static_cast<std::int32_t>(i);
  }
  if (ragged && source.back() != n - 1)
    throw ShapeError(
        {.op = "permute", .what = cat("the last block ", side, " ", n - 1, " is ragged and must stay last, got ", source.back())});
  return to;
}

std::vector<std::int64_t> permuted_keys(const std::vector<std::int64_t>& keys, const std::vector<std::int32_t>& to) {
  std::vector<std::int64_t> moved(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) moved[static_cast<std::size_t>(to[i])] = keys[i];
  return moved;
}

}  // namespace

PatternPtr transpose(const PatternPtr& pattern) {
  const SparsePattern& s = *pattern;
  const SparsePattern::ColumnView& view = s.by_column();
  PatternSpec spec{.rows = s.cols(), .cols = s.rows(), .block = {s.block().kind, s.block().width, s.block().height}};
  spec.row_ptr = view.ptr;
  spec.col = view.row;
  spec.tie = view.slot;
  spec.slots = s.slots();
  if (!s.tied()) drop_trivial_tie(spec);
  spec.mask = s.spec().mask;
  spec.mask_bits = transposed_masks(s);
  spec.row_key = s.spec().col_key;
  spec.col_key = s.spec().row_key;
  spec.name = cat("transpose of ", s.name());
  return make_pattern(std::move(spec));
}

PatternPtr union_of(const PatternPtr& a, const PatternPtr& b) {
  if (a->rows() != b->rows() || a->cols() != b->cols() || !(a->block() == b->block()))
    throw ShapeError(
        {.op = "union_of", .what = cat("a is ", size_of(*a), ", b is ", size_of(*b)), .hint = "sizes, blocks and block kinds must agree"});
  RowBuilder builder(a->rows(), a->cols(), a->block(), cat("union of ", a->name(), " and ", b->name()));
  for (std::int64_t r = 0; r < a->grid_rows(); ++r) {
    for (const PatternPtr& s : {a, b})
      for (std::int64_t e = entries(*s, r).begin; e < entries(*s, r).end; ++e) builder.add(col_of(*s, e), mask_of(*s, s->slot(e)));
    builder.end_row();
  }
  PatternSpec spec = builder.finish();
  if (a->spec().row_key == b->spec().row_key && a->spec().col_key == b->spec().col_key) {
    spec.row_key = a->spec().row_key;
    spec.col_key = a->spec().col_key;
  }
  return make_pattern(std::move(spec));
}

PatternPtr row_range(const PatternPtr& pattern, std::int64_t begin, std::int64_t end) {
  const SparsePattern& s = *pattern;
  if (begin < 0 || begin > end || end > s.grid_rows())
    throw ShapeError({.op = "row_range",
                      .path = s.name(),
                      .what = cat("block rows [", begin, ", ", end, ") asked for"),
                      .hint = cat("stay in [0, ", s.grid_rows(), "]")});
  const PatternSpec& from = s.spec();
  const std::int64_t first = from.row_ptr[static_cast<std::size_t>(begin)], last = from.row_ptr[static_cast<std::size_t>(end)];
  const auto part = [](const auto& all, std::int64_t lo, std::int64_t hi) {
    return all.empty() ? all : std::decay_t<decltype(all)>(all.begin() + lo, all.begin() + hi);
  };
  PatternSpec spec = from;
  spec.rows = std::min(end * s.block().height, s.rows()) - std::min(begin * s.block().height, s.rows());
  spec.row_ptr = part(from.row_ptr, begin, end + 1);
  for (std::int64_t& offset : spec.row_ptr) offset -= first;
  spec.col = part(from.col, first, last);
  spec.tie = part(from.tie, first, last);
  spec.row_key = part(from.row_key, begin, end);
  if (!s.tied()) {
    spec.slots = static_cast<std::int32_t>(last - first);
    spec.mask = part(from.mask, first, last);
  }
  spec.name = cat("rows ", begin * s.block().height, "..", begin * s.block().height + spec.rows, " of ", s.name());
  return make_pattern(std::move(spec));
}

PatternPtr leading(const PatternPtr& pattern, std::int64_t rows, std::int64_t cols) {
  const SparsePattern& s = *pattern;
  const auto refuse = [&](const std::string& what, const std::string& hint) {
    throw ShapeError({.op = "leading", .path = s.name(), .what = what, .hint = hint});
  };
  if (rows == s.rows() && cols == s.cols()) return pattern;
  if (rows < 0 || rows > s.rows() || cols < 0 || cols > s.cols())
    refuse(cat(rows, " x ", cols, " of ", s.rows(), " x ", s.cols()), "build the pattern for the largest");
  if ((rows < s.rows() && rows % s.block().height != 0) || (cols < s.cols() && cols % s.block().width != 0))
    refuse(cat(rows, " x ", cols, " in blocks of ", s.block().height, " x ", s.block().width), "cut between blocks");
  PatternSpec spec = row_range(pattern, 0, rows < s.rows() ? rows / s.block().height : s.grid_rows())->spec();
  spec.cols = cols;
  const std::int64_t grid_cols = cols < s.cols() ? cols / s.block().width : s.grid_cols();
  if (!spec.col_key.empty()) spec.col_key.resize(static_cast<std::size_t>(grid_cols));
  for (const std::int32_t col : spec.col)
    if (col >= grid_cols) refuse(cat("one of the first ", rows, " rows takes column ", col * s.block().width), "take more columns");
  spec.name = cat(s.name(), ", first ", rows, " x ", cols);
  return make_pattern(std::move(spec));
}

PatternPtr repeat_diagonal(const PatternPtr& pattern, std::int64_t n) {
  const SparsePattern& s = *pattern;
  if (n < 1) throw ShapeError({.op = "repeat_diagonal", .path = s.name(), .what = cat(n, " copies asked for"), .hint = "give 1 or more"});
  require_whole_blocks("repeat_diagonal", s, n);
  PatternSpec spec = s.spec();
  spec.rows = checked_product(n, s.rows());
  spec.cols = checked_product(n, s.cols());
  spec.name = cat("I", n, " (x) ", s.name());
  spec.row_ptr = {0};
  spec.col.clear(), spec.tie.clear(), spec.row_key.clear(), spec.col_key.clear();
  std::int64_t span = std::max(s.grid_rows(), s.grid_cols());  // keys of one copy lie below it
  for (const std::int64_t key : s.spec().row_key) span = std::max(span, key + 1);
  for (const std::int64_t key : s.spec().col_key) span = std::max(span, key + 1);
  const bool keyed = span > s.grid_rows() || span > s.grid_cols() || !s.spec().row_key.empty() || !s.spec().col_key.empty();
  for (std::int64_t copy = 0; copy < n; ++copy) {
    for (std::int64_t e = 0; e < s.blocks(); ++e) {
      spec.col.push_back(static_cast<std::int32_t>(copy * s.grid_cols() + col_of(s, e)));
      spec.tie.push_back(s.slot(e));
    }
    for (std::int64_t r = 0; r < s.grid_rows(); ++r) spec.row_ptr.push_back(copy * s.blocks() + entries(s, r).end);
    for (std::int64_t r = 0; keyed && r < s.grid_rows(); ++r) spec.row_key.push_back(copy * span + s.row_key(r));
    for (std::int64_t c = 0; keyed && c < s.grid_cols(); ++c) spec.col_key.push_back(copy * span + s.col_key(c));
  }
  if (!s.tied()) drop_trivial_tie(spec);
  return make_pattern(std::move(spec));
}

PatternPtr kron(const PatternPtr& a, const PatternPtr& b) {
  require_whole_blocks("kron", *b, std::max(a->rows(), a->cols()));
  RowBuilder builder(checked_product(a->rows(), b->rows()), checked_product(a->cols(), b->cols()), b->block(),
                     cat(a->name(), " (x) ", b->name()));
  for (std::int64_t i = 0; i < a->rows(); ++i) {
    const std::int64_t ra = i / a->block().height;
    const int m = static_cast<int>(i % a->block().height);
    for (std::int64_t rb = 0; rb < b->grid_rows(); ++rb) {
      for (std::int64_t ea = entries(*a, ra).begin; ea < entries(*a, ra).end; ++ea)
        for (int k = 0; k < a->width_of(col_of(*a, ea)); ++k) {
          if (!a->kept(a->slot(ea), m, k)) continue;
          const std::int64_t j = std::int64_t{col_of(*a, ea)} * a->block().width + k;
          for (std::int64_t eb = entries(*b, rb).begin; eb < entries(*b, rb).end; ++eb)
            builder.add(j * b->grid_cols() + col_of(*b, eb), mask_of(*b, b->slot(eb)));
        }
      builder.end_row();
    }
  }
  return make_pattern(builder.finish());
}

PatternPtr tied_kron(const PatternPtr& a, const PatternPtr& b) {
  if (!a->block().scalar() || b->block().kind != BlockKind::dense || a->masked() || b->masked())
    throw ShapeError({.op = "tied_kron",
                      .what = cat("a is ", size_of(*a), ", b is ", size_of(*b)),
                      .hint = "a must be of scalars, b of dense blocks, neither with masks"});
  require_whole_blocks("tied_kron", *b, std::max(a->rows(), a->cols()));
  PatternSpec spec{.rows = checked_product(a->rows(), b->rows()),
                   .cols = checked_product(a->cols(), b->cols()),
                   .block = b->block(),
                   .row_ptr = {0},
                   .slots = a->slots() * b->slots(),
                   .name = cat(a->name(), " (x) ", b->name())};
  for (std::int64_t i = 0; i < a->rows(); ++i)
    for (std::int64_t rb = 0; rb < b->grid_rows(); ++rb) {
      for (std::int64_t ea = entries(*a, i).begin; ea < entries(*a, i).end; ++ea)
        for (std::int64_t eb = entries(*b, rb).begin; eb < entries(*b, rb).end; ++eb) {
          spec.col.push_back(static_cast<std::int32_t>(col_of(*a, ea) * b->grid_cols() + col_of(*b, eb)));
          spec.tie.push_back(a->slot(ea) * b->slots() + b->slot(eb));
        }
      spec.row_ptr.push_back(static_cast<std::int64_t>(spec.col.size()));
      spec.row_key.push_back(a->row_key(i));
    }
  for (std::int64_t j = 0; j < a->cols(); ++j)
    spec.col_key.insert(spec.col_key.end(), static_cast<std::size_t>(b->grid_cols()), a->col_key(j));
  return make_pattern(std::move(spec));
}

PatternPtr compose(const PatternPtr& a, const PatternPtr& b) {
  if (a->cols() != b->rows() || a->block().width != b->block().height)
    throw ShapeError({.op = "compose",
                      .what = cat("a is ", size_of(*a), ", b is ", size_of(*b)),
                      .hint = "a's columns must be b's rows, in blocks of one size"});
  const BlockKind kind = std::min(a->block().kind, b->block().kind);  // dense before diagonal before identity
  const ValueLayout block{kind, a->block().height, b->block().width};
  RowBuilder builder(a->rows(), b->cols(), block, cat(a->name(), " * ", b->name()));
  for (std::int64_t i = 0; i < a->grid_rows(); ++i) {
    for (std::int64_t ea = entries(*a, i).begin; ea < entries(*a, i).end; ++ea)
      for (std::int64_t eb = entries(*b, col_of(*a, ea)).begin; eb < entries(*b, col_of(*a, ea)).end; ++eb)
        builder.add(col_of(*b, eb), product_mask(*a, a->slot(ea), *b, b->slot(eb), block));
    builder.end_row();
  }
  PatternSpec spec = builder.finish();
  spec.row_key = a->spec().row_key;
  spec.col_key = b->spec().col_key;
  return make_pattern(std::move(spec));
}

PatternPtr permute(const PatternPtr& pattern, const std::vector<std::int32_t>& row_source, const std::vector<std::int32_t>& col_source) {
  const SparsePattern& s = *pattern;
  const std::vector<std::int32_t> row_to = destinations("row", row_source, s.grid_rows(), s.rows() % s.block().height != 0);
  const std::vector<std::int32_t> col_to = destinations("column", col_source, s.grid_cols(), s.cols() % s.block().width != 0);
  PatternSpec spec = s.spec();
  spec.col.clear(), spec.tie.clear();
  spec.row_ptr = {0};
  std::vector<std::pair<std::int32_t, std::int32_t>> row;  // (new column, slot)
  for (std::int64_t i = 0; i < s.grid_rows(); ++i) {
    const Range from = entries(s, row_source.empty() ? i : row_source[static_cast<std::size_t>(i)]);
    row.clear();
    for (std::int64_t e = from.begin; e < from.end; ++e) row.emplace_back(col_to[static_cast<std::size_t>(col_of(s, e))], s.slot(e));
    std::sort(row.begin(), row.end());
    for (const auto& [c, slot] : row) spec.col.push_back(c), spec.tie.push_back(slot);
    spec.row_ptr.push_back(static_cast<std::int64_t>(spec.col.size()));
  }
  if (!s.tied()) drop_trivial_tie(spec);
  spec.row_key = permuted_keys(s.spec().row_key, row_to);
  spec.col_key = permuted_keys(s.spec().col_key, col_to);
  spec.name = cat("permuted ", s.name());
  return make_pattern(std::move(spec));
}

PatternPtr untied(const PatternPtr& pattern) {
  const SparsePattern& s = *pattern;
  PatternSpec spec = s.spec();
  spec.tie.clear();
  spec.slots = 0;
  spec.name = cat("untied ", s.name());
  if (s.masked()) {
    spec.mask.clear();
    for (std::int64_t e = 0; e < s.blocks(); ++e) spec.mask.push_back(s.spec().mask[static_cast<std::size_t>(s.slot(e))]);
  }
  return make_pattern(std::move(spec));
}

}  // namespace weft::patterns
