#include <weft/core/random.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/text.hpp>

namespace weft::patterns {

namespace {

/// How a block is cut: rows x cols sub-blocks of height x width.
struct Cut {
  int rows, cols, height, width;
};

Cut cut_of(const SparsePattern& pattern, int block, double density) {
  const ValueLayout& whole = pattern.block();
  const auto fits = [block](int side) { return block >= side || side % block == 0; };
  if (!(density > 0 && density <= 1))
    throw ShapeError({.op = "random_blocks", .path = pattern.name(), .what = cat("density ", density, " is outside (0, 1]")});
  if (whole.kind != BlockKind::dense || pattern.masked())
    throw ShapeError({.op = "random_blocks", .path = pattern.name(), .what = "only dense blocks without masks can be cut"});
  if (block < 1 || !fits(whole.height) || !fits(whole.width))
    throw ShapeError(
        {.op = "random_blocks",
         .path = pattern.name(),
         .what = cat("block ", block, " neither divides nor covers the sides of ", whole.height, " x ", whole.width, " blocks"),
         .hint = "choose a divisor"});
  const int height = std::min(block, whole.height), width = std::min(block, whole.width);
  return {whole.height / height, whole.width / width, height, width};
}

/// The smallest slot that each slot shares block rows with, directly or through others: rows of one leader are one output's.
std::vector<std::int32_t> leaders(const SparsePattern& pattern) {
  std::vector<std::int32_t> leader(static_cast<std::size_t>(pattern.slots()));
  std::iota(leader.begin(), leader.end(), 0);
  const auto find = [&leader](std::int32_t s) {
    while (leader[static_cast<std::size_t>(s)] != s)
      s = leader[static_cast<std::size_t>(s)] = leader[static_cast<std::size_t>(leader[static_cast<std::size_t>(s)])];
    return s;
  };
  for (std::int64_t r = 0; r < pattern.grid_rows(); ++r) {
    const std::int64_t begin = pattern.row_ptr()[static_cast<std::size_t>(r)], end = pattern.row_ptr()[static_cast<std::size_t>(r) + 1];
    for (std::int64_t e = begin + 1; e < end; ++e) {
      const std::int32_t a = find(pattern.slot(begin)), b = find(pattern.slot(e));
      leader[static_cast<std::size_t>(std::max(a, b))] = std::min(a, b);
    }
  }
  for (std::int32_t s = 0; s < pattern.slots(); ++s) leader[static_cast<std::size_t>(s)] = find(s);
  return leader;
}

/// A sub-block of a slot, in the order in which the new slots are numbered: the neighbours of a row are neighbours in memory.
struct Piece {
  std::int32_t leader, i, slot, j;
  std::tuple<std::int32_t, std::int32_t> row() const { return {leader, i}; }
  auto operator<=>(const Piece&) const = default;
};

/// Calls f(r * cut.rows + i, c * cut.cols + j, piece) for every sub-block inside the matrix, row by row.
template <class F>
void for_each_piece(const SparsePattern& pattern, const Cut& cut, const std::vector<std::int32_t>& leader, F&& f) {
  for (std::int64_t r = 0; r < pattern.grid_rows(); ++r)
    for (int i = 0; i < cut.rows && i * cut.height < pattern.height_of(r); ++i)
      for (std::int64_t e = pattern.row_ptr()[static_cast<std::size_t>(r)]; e < pattern.row_ptr()[static_cast<std::size_t>(r) + 1]; ++e) {
        const std::int64_t c = pattern.col()[static_cast<std::size_t>(e)];
        const std::int32_t slot = pattern.slot(e);
        for (int j = 0; j < cut.cols && j * cut.width < pattern.width_of(c); ++j)
          f(r * cut.rows + i, c * cut.cols + j, Piece{leader[static_cast<std::size_t>(slot)], i, slot, j});
      }
}

/// Numbers the pieces that stay: of every row the one drawn first, then the first drawn of all, until the share is reached.
std::map<Piece, std::int32_t> draw(std::vector<Piece> pieces, double density, std::uint64_t seed) {
  std::sort(pieces.begin(), pieces.end());
  pieces.erase(std::unique(pieces.begin(), pieces.end()), pieces.end());
  const Random random(seed, hash_name("random_blocks"));
  std::vector<std::size_t> order(pieces.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return random.word(a) < random.word(b); });

  const auto wanted = static_cast<std::size_t>(std::llround(density * static_cast<double>(pieces.size())));
  std::map<Piece, std::int32_t> kept;
  std::map<std::tuple<std::int32_t, std::int32_t>, bool> served;
  for (const std::size_t at : order)
    if (served.emplace(pieces[at].row(), true).second) kept.emplace(pieces[at], 0);
  for (const std::size_t at : order) {
    if (kept.size() >= wanted) break;
    kept.emplace(pieces[at], 0);
  }
  std::int32_t number = 0;
  for (auto& [piece, slot] : kept) slot = number++;
  return kept;
}

std::vector<std::int64_t> repeated(const std::vector<std::int64_t>& keys, int times, std::int64_t extent, int side) {
  std::vector<std::int64_t> longer;
  for (const std::int64_t key : keys) longer.insert(longer.end(), static_cast<std::size_t>(times), key);
  if (!longer.empty()) longer.resize(static_cast<std::size_t>((extent + side - 1) / side));  // a ragged edge has fewer
  return longer;
}

}  // namespace

PatternPtr random_blocks(const PatternPtr& pattern, int block, double density, std::uint64_t seed) {
  const Cut cut = cut_of(*pattern, block, density);
  const std::vector<std::int32_t> leader = leaders(*pattern);
  std::vector<Piece> pieces;
  for_each_piece(*pattern, cut, leader, [&](std::int64_t, std::int64_t, const Piece& piece) { pieces.push_back(piece); });
  const std::map<Piece, std::int32_t> kept = draw(std::move(pieces), density, seed);

  PatternSpec spec{.rows = pattern->rows(), .cols = pattern->cols(), .block = {BlockKind::dense, cut.height, cut.width}};
  spec.row_ptr.assign(static_cast<std::size_t>((spec.rows + cut.height - 1) / cut.height) + 1, 0);
  for_each_piece(*pattern, cut, leader, [&](std::int64_t row, std::int64_t col, const Piece& piece) {
    const auto found = kept.find(piece);
    if (found == kept.end()) return;
    ++spec.row_ptr[static_cast<std::size_t>(row) + 1];
    spec.col.push_back(static_cast<std::int32_t>(col));
    if (pattern->tied()) spec.tie.push_back(found->second);
  });
  std::partial_sum(spec.row_ptr.begin(), spec.row_ptr.end(), spec.row_ptr.begin());
  spec.slots = static_cast<std::int32_t>(kept.size());
  spec.row_key = repeated(pattern->spec().row_key, cut.rows, spec.rows, cut.height);
  spec.col_key = repeated(pattern->spec().col_key, cut.cols, spec.cols, cut.width);
  spec.name = cat(pattern->name(), ", random ", cut.height, "x", cut.width, " blocks at density ", density);
  return make_pattern(std::move(spec));
}

PatternPtr random_blocks(std::int64_t rows, std::int64_t cols, int block, double density, std::uint64_t seed) {
  return random_blocks(dense(rows, cols, block), block, density, seed);
}

}  // namespace weft::patterns
