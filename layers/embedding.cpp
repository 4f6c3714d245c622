#include <weft/layers/embedding.hpp>

#include <cmath>
#include <utility>

#include <weft/autograd/ops.hpp>
#include <weft/autograd/ops/native.hpp>
#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

/// Rows of a block of the table: the divisor of V nearest to 1024 in ratio, so that a softmax over leading rows (I ⊗ S) and one in row
/// chunks have whole blocks; all of V where it has none from 16 to 4096.
int block_rows(std::int64_t vocabulary) {
  std::int64_t best = vocabulary;
  double distance = INFINITY;
  for (std::int64_t rows = 16; rows <= 4096 && rows <= vocabulary; ++rows) {
    const double far = std::abs(std::log2(static_cast<double>(rows) / 1024));
    if (vocabulary % rows == 0 && far < distance) best = rows, distance = far;
  }
  return static_cast<int>(best);
}

PatternPtr table_pattern(const Scope& s, std::int64_t vocabulary, std::int64_t dim) {
  if (vocabulary < 1 || dim < 1 || vocabulary > INT32_MAX || dim > INT32_MAX)
    throw ShapeError({.op = "embedding", .path = s.path(), .what = cat(vocabulary, " ids of ", dim, " numbers: both must be 1 or more")});
  PatternSpec spec{.rows = vocabulary, .cols = dim, .block = {BlockKind::dense, block_rows(vocabulary), static_cast<int>(dim)}};
  const std::int64_t blocks = vocabulary / spec.block.height;
  for (std::int64_t r = 0; r <= blocks; ++r) spec.row_ptr.push_back(r);
  spec.col.assign(static_cast<std::size_t>(blocks), 0);
  spec.name = cat("embedding ", vocabulary, " x ", dim);
  return make_pattern(std::move(spec));
}

PatternWeight::Spec dense_spec(const Scope& s, std::int64_t vocabulary, std::int64_t dim, EmbeddingOptions options) {
  PatternWeight::Spec spec;
  spec.pattern = table_pattern(s, vocabulary, dim);
  spec.field = linear_map(spec.pattern);
  spec.native = native_linear_map(dim, vocabulary);
  spec.fans = {static_cast<double>(dim), static_cast<double>(vocabulary)};
  spec.init = std::move(options.init);
  return spec;
}

PatternWeight::Spec pattern_spec(PatternPtr pattern, EmbeddingOptions options) {
  PatternWeight::Spec spec;
  spec.fans = fans_of(*pattern);
  spec.field = values_map(pattern);
  spec.keeps_pattern = true;
  spec.init = std::move(options.init);
  spec.pattern = std::move(pattern);
  return spec;
}

}  // namespace

Embedding::Embedding(const Scope& s, std::int64_t vocabulary, std::int64_t dim, EmbeddingOptions options)
    : table_(s, "embedding", dense_spec(s, vocabulary, dim, std::move(options))) {}

Embedding::Embedding(const Scope& s, PatternPtr pattern, EmbeddingOptions options)
    : table_(s, "embedding", pattern_spec(std::move(pattern), std::move(options))) {}

Var Embedding::operator()(Var ids) const {
  const LayerCall call(ids.tape(), table_.path());
  const Var table = table_.weight_on(ids.tape());
  const Var y =
      table_.form() == Form::native ? native_embedding(table, ids.value(), vocabulary(), dim()) : embedding(pattern(), table, ids.value());
  return call.done(y, [&] { return table_.info(ids.rows().size()); });
}

}  // namespace weft
