#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/tests/oracle/cases.hpp>
#include <weft/tests/oracle/oracle.hpp>

using namespace weft;
using namespace weft::patterns;
using oracle::Values;

namespace {

Values boolean(Values v) {
  for (double& entry : v) entry = entry != 0 ? 1 : 0;
  return v;
}

template <class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const ShapeError& error) {
    return error.what();
  }
  return "accepted";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("transposing transposes the matrix, twice gives it back") {
  for (const oracle::PatternCase& c : oracle::pattern_cases()) {
    CAPTURE(c.name);
    const SparsePattern& s = *c.pattern;
    const PatternPtr t = transpose(c.pattern);
    const Values values = oracle::random_values(s, 1), turned = oracle::transpose_values(s, values);
    CHECK(to_dense(*t, turned) == oracle::transposed(to_dense(s, values), s.rows(), s.cols()));
    CHECK(t->nnz() == s.nnz());
    CHECK(t->slots() == s.slots());
    if (s.blocks() > 0) CHECK(t->parameter_count() == s.parameter_count());
    CHECK(oracle::transpose_values(*t, turned) == values);
    CHECK(to_dense(*transpose(t), values) == to_dense(s, values));
    CHECK(t->is_lower_triangular() == s.is_upper_triangular());
  }
}

TEST_CASE("a range of block rows is those rows of the matrix") {
  for (const oracle::PatternCase& c : oracle::pattern_cases()) {
    CAPTURE(c.name);
    const SparsePattern& s = *c.pattern;
    const Values values = oracle::random_values(s, 1), whole = to_dense(s, values);
    const std::int64_t third = s.grid_rows() / 3;
    for (const auto& [begin, end] : {std::pair{std::int64_t{0}, third}, {third, 2 * third}, {2 * third, s.grid_rows()}, {third, third}}) {
      const PatternPtr part = row_range(c.pattern, begin, end);
      const std::int64_t first = s.tied() ? 0 : s.row_ptr()[static_cast<std::size_t>(begin)] * s.block().slot_size();
      const Values own(values.begin() + first, values.begin() + first + part->values_size());
      const std::int64_t top = std::min(begin * s.block().height, s.rows()) * s.cols();
      CHECK(to_dense(*part, own) == Values(whole.begin() + top, whole.begin() + top + part->rows() * s.cols()));
    }
  }
  CHECK(contains(message_of([] { row_range(dense(64, 8, 32), 1, 3); }), "block rows [1, 3) asked for"));
}

TEST_CASE("untying gives every block its own values and the same matrix") {
  for (const oracle::PatternCase& c : oracle::pattern_cases()) {
    CAPTURE(c.name);
    const PatternPtr own = untied(c.pattern);
    const Values values = oracle::random_values(*c.pattern, 1);
    CHECK_FALSE(own->tied());
    CHECK(own->slots() == c.pattern->blocks());
    CHECK(own->nnz() == c.pattern->nnz());
    CHECK(own->spec().row_key == c.pattern->spec().row_key);
    CHECK(to_dense(*own, oracle::untie_values(*c.pattern, values)) == to_dense(*c.pattern, values));
  }
}

TEST_CASE("a union stores what either stores") {
  const auto rule = [](int step) {
    return from_rows(
        30, 26,
        [step](std::int64_t i) {
          return std::vector<std::int32_t>{static_cast<std::int32_t>(i * step % 26), 3};
        },
        8);
  };
  const PatternPtr a = rule(3), b = rule(5), both = union_of(a, b);
  Values either = oracle::support(*a);
  const Values other = oracle::support(*b);
  for (std::size_t i = 0; i < either.size(); ++i) either[i] = std::max(either[i], other[i]);
  CHECK(oracle::support(*both) == either);
  CHECK_FALSE(union_of(dense(30, 26, 8), dense(30, 26, 8))->masked());
  CHECK_FALSE(union_of(a, dense(30, 26, 8))->masked());  // a full block hides every hole
  CHECK(union_of(conv2d({4, 4, 2}, 2, {.pad = 1}), conv2d({4, 4, 2}, 2, {.pad = 1}))->is_upper_triangular());
  CHECK(contains(message_of([&] { union_of(a, dense(30, 25, 8)); }), "30 x 25"));
  CHECK(contains(message_of([&] { union_of(dense(64, 64, 8), dense(64, 64, 16)); }), "16 x 16 blocks"));
}

TEST_CASE("repeat_diagonal is the Kronecker product with an identity") {
  Values identity(16);
  for (std::size_t i = 0; i < 4; ++i) identity[i * 5] = 1;
  for (const PatternPtr& s : {dense(6, 10), conv2d({3, 3, 2}, 2, {.pad = 1}), conv2d({4, 4, 2}, 3, {.stride = 2}), avg_pool2d({4, 4, 3})}) {
    CAPTURE(s->name());
    const PatternPtr repeated = repeat_diagonal(s, 4);
    const Values values = oracle::random_values(*s, 1);
    CHECK(repeated->slots() == s->slots());
    CHECK(to_dense(*repeated, values) == oracle::kronecker(identity, 4, 4, to_dense(*s, values), s->rows(), s->cols()));
    CHECK(repeated->is_upper_triangular() == s->is_upper_triangular());
    CHECK(repeat_diagonal(s, 1)->blocks() == s->blocks());
  }
  CHECK(contains(message_of([] { repeat_diagonal(dense(33, 17), 2); }), "33 x 17 in 32 x 17 blocks has a ragged edge"));
  CHECK_NOTHROW(repeat_diagonal(dense(33, 17), 1));
  CHECK(contains(message_of([] { repeat_diagonal(dense(2, 2), 0); }), "0 copies"));
}

TEST_CASE("kron and compose are the products of the supports") {
  const PatternPtr mask = from_mask(6, 5, {1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 4);
  for (const PatternPtr& a : {banded(3, 1, 0), mask, permutation({1, 0, 2})})
    for (const PatternPtr& b : {block_diagonal(2, 4, 3), permutation({1, 2, 0}, 2), conv2d({3, 3, 1}, 2)}) {
      CAPTURE(a->name());
      CAPTURE(b->name());
      CHECK(oracle::support(*kron(a, b)) ==
            oracle::kronecker(oracle::support(*a), a->rows(), a->cols(), oracle::support(*b), b->rows(), b->cols()));
    }
  std::vector<std::uint8_t> holes;
  for (int i = 0; i < 7 * 12; ++i) holes.push_back(i / 12 == 3 || i * i % 11 == 5 ? 1 : 0);
  const PatternPtr left = from_mask(7, 12, holes, 3);
  const auto product = [](const PatternPtr& a, const PatternPtr& b) {
    return boolean(oracle::multiply(oracle::support(*a), oracle::support(*b), a->rows(), a->cols(), b->cols()));
  };
  for (const PatternPtr& right : {block_diagonal(4, 3, 2), banded(12, 1, 0, 3), permutation({3, 1, 0, 2}, 3)}) {
    CAPTURE(right->name());
    CHECK(oracle::support(*compose(left, right)) == product(left, right));
  }
  const PatternPtr shuffle = permutation({3, 1, 0, 2}, 3);
  CHECK(compose(shuffle, shuffle)->block().kind == BlockKind::identity);
  CHECK(oracle::support(*compose(shuffle, shuffle)) == product(shuffle, shuffle));
  const PatternPtr monarch = compose(block_diagonal(3, 4, 4), compose(permutation({0, 1, 2}, 4), block_diagonal(3, 4, 5)));
  CHECK(monarch->nnz() == 3 * 4 * 5);
  CHECK(contains(message_of([] { compose(dense(4, 6), dense(5, 4)); }), "a is 4 x 6 in 4 x 6 blocks, b is 5 x 4"));
}

TEST_CASE("permute moves block rows and columns and keeps the values") {
  const PatternPtr s = conv2d({2, 2, 3}, 2, {.pad = 1});
  const std::vector<std::int32_t> rows = {2, 0, 3, 1}, cols = {1, 3, 2, 0};
  const PatternPtr moved = permute(s, rows, cols);
  const Values values = oracle::random_values(*s, 1), before = to_dense(*s, values), after = to_dense(*moved, values);
  for (std::int64_t i = 0; i < 8; ++i)
    for (std::int64_t j = 0; j < 12; ++j) {
      const std::int64_t from_row = rows[static_cast<std::size_t>(i / 2)] * 2 + i % 2,
                         from_col = cols[static_cast<std::size_t>(j / 3)] * 3 + j % 3;
      CHECK(after[static_cast<std::size_t>(i * 12 + j)] == before[static_cast<std::size_t>(from_row * 12 + from_col)]);
    }
  CHECK(moved->is_upper_triangular());  // the keys travel along
  CHECK(to_dense(*permute(s, {}, {}), values) == before);
  CHECK(contains(message_of([&] { permute(s, {0, 1}, {}); }), "2 row sources for 4 block rows"));
  CHECK(contains(message_of([&] { permute(s, {}, {0, 1, 2, 2}); }), "column source 2"));
  CHECK(contains(message_of([] { permute(dense(33, 17), {1, 0}, {}); }), "the last block row 1 is ragged and must stay last, got 0"));
}
