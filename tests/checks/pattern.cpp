#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/sparse_pattern.hpp>
#include <weft/tests/oracle/cases.hpp>
#include <weft/tests/oracle/oracle.hpp>

using namespace weft;

namespace {

/// A valid 2 x 2 grid of ragged 4 x 3 blocks, to be broken in one place by each case.
PatternSpec good() {
  return {.rows = 7,
          .cols = 5,
          .block = {BlockKind::dense, 4, 3},
          .row_ptr = {0, 2, 3},
          .col = {0, 1, 1},
          .tie = {0, 1, 0},
          .slots = 2,
          .name = "good"};
}

template <class Break>
std::string complaint(Break&& break_it) {
  PatternSpec spec = good();
  break_it(spec);
  try {
    make_pattern(std::move(spec));
  } catch (const ShapeError& error) {
    return error.what();
  }
  return "accepted";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a pattern that contradicts itself is refused, with the wrong number") {
  CHECK_NOTHROW(make_pattern(good()));
  CHECK(contains(complaint([](PatternSpec& s) { s.col[2] = 9; }), "block column 9 outside [0, 2)"));
  CHECK(contains(complaint([](PatternSpec& s) { s.col[0] = -1; }), "block column -1"));
  CHECK(contains(complaint([](PatternSpec& s) { s.tie[1] = 5; }), "slot 5 outside [0, 2)"));
  CHECK(contains(complaint([](PatternSpec& s) { s.tie.pop_back(); }), "tie has 2 entries for 3 blocks"));
  CHECK(contains(complaint([](PatternSpec& s) { s.tie.clear(), s.slots = 7; }), "7 slots for 3 untied blocks"));
  CHECK(contains(complaint([](PatternSpec& s) { s.row_ptr.push_back(3); }), "row_ptr has 4 entries, expected 3"));
  CHECK(contains(complaint([](PatternSpec& s) { s.row_ptr = {0, 2, 8}; }), "ends at 8"));
  CHECK(contains(complaint([](PatternSpec& s) { s.row_ptr = {0, 4, 3}; }), "row_ptr must rise"));
  CHECK(contains(complaint([](PatternSpec& s) { s.rows = -7; }), "-7 x 5"));
  CHECK(contains(complaint([](PatternSpec& s) { s.block.width = 0; }), "blocks of 4 x 0"));
  CHECK(contains(complaint([](PatternSpec& s) { s.block.kind = BlockKind::diagonal; }), "must be square, got 4 x 3"));
  CHECK(contains(complaint([](PatternSpec& s) { s.row_key = {1, 2, 3}; }), "3 row keys for 2 block rows"));
  CHECK(contains(complaint([](PatternSpec& s) { s.col_key = {1}; }), "1 column keys for 2 block columns"));
  CHECK(contains(complaint([](PatternSpec& s) { s.mask_bits = {1}, s.mask = {0}; }), "got 1 indices"));
  CHECK(contains(complaint([](PatternSpec& s) { s.mask_bits = {1}, s.mask = {0, 3}; }), "mask 3 does not exist"));
  CHECK(contains(complaint([](PatternSpec& s) { s.col[0] = 9; }), "'good'"));
}

TEST_CASE("sizes beyond 64 bits are refused before anything is allocated") {
  const std::int64_t big = std::int64_t{1} << 40;
  CHECK_THROWS_AS(make_pattern({.rows = big, .cols = big, .block = {BlockKind::dense, 1 << 30, 1 << 30}, .row_ptr = {0}}), ShapeError);
  CHECK_THROWS_AS(make_pattern({.rows = big, .cols = 1, .row_ptr = {0}}), ShapeError);
}

TEST_CASE("the views hold the same blocks as the rows") {
  for (const oracle::PatternCase& c : oracle::pattern_cases()) {
    CAPTURE(c.name);
    const SparsePattern& s = *c.pattern;
    using Block = std::vector<std::int64_t>;  // row, column, slot
    std::multiset<Block> rows, columns, slots;
    for (std::int64_t r = 0; r < s.grid_rows(); ++r)
      for (std::int64_t e = s.row_ptr()[static_cast<std::size_t>(r)]; e < s.row_ptr()[static_cast<std::size_t>(r) + 1]; ++e)
        rows.insert({r, s.col()[static_cast<std::size_t>(e)], s.slot(e)});
    const auto& by_column = s.by_column();
    REQUIRE(static_cast<std::int64_t>(by_column.ptr.size()) == s.grid_cols() + 1);
    for (std::size_t i = 0; i + 1 < by_column.ptr.size(); ++i) {
      const auto begin = by_column.row.begin() + by_column.ptr[i], end = by_column.row.begin() + by_column.ptr[i + 1];
      CHECK(std::is_sorted(begin, end));
      for (auto at = static_cast<std::size_t>(by_column.ptr[i]); at < static_cast<std::size_t>(by_column.ptr[i + 1]); ++at)
        columns.insert({by_column.row[at], static_cast<std::int64_t>(i), by_column.slot[at]});
    }
    const auto& by_slot = s.by_slot();
    REQUIRE(static_cast<std::int64_t>(by_slot.ptr.size()) == s.slots() + 1);
    for (std::size_t i = 0; i + 1 < by_slot.ptr.size(); ++i) {
      CHECK(std::is_sorted(by_slot.row.begin() + by_slot.ptr[i], by_slot.row.begin() + by_slot.ptr[i + 1]));
      for (auto at = static_cast<std::size_t>(by_slot.ptr[i]); at < static_cast<std::size_t>(by_slot.ptr[i + 1]); ++at)
        slots.insert({by_slot.row[at], by_slot.col[at], static_cast<std::int64_t>(i)});
    }
    CHECK(columns == rows);
    CHECK(slots == rows);
  }
}

TEST_CASE("the oracle's products agree with the dense matrix on every pattern") {
  constexpr std::int64_t kColumns = 3;
  for (const oracle::PatternCase& c : oracle::pattern_cases()) {
    CAPTURE(c.name);
    const SparsePattern& s = *c.pattern;
    const oracle::Values values = oracle::random_values(s, 1), matrix = to_dense(s, values);
    const oracle::Values x = oracle::random_values(s.cols() * kColumns, 2), dy = oracle::random_values(s.rows() * kColumns, 3);
    const oracle::Values y = oracle::spmm(s, values, x, kColumns);
    CHECK(oracle::max_difference(y, oracle::multiply(matrix, x, s.rows(), s.cols(), kColumns)) < 1e-12);
    const oracle::Values back = oracle::multiply(oracle::transposed(matrix, s.rows(), s.cols()), dy, s.cols(), s.rows(), kColumns);
    CHECK(oracle::max_difference(oracle::spmm_t(s, values, dy, kColumns), back) < 1e-12);
    // <S(v) x, dy> is linear in v, so its gradient times v is the product itself.
    CHECK(oracle::dot(oracle::sddmm(s, dy, x, kColumns), values) == doctest::Approx(oracle::dot(y, dy)).epsilon(1e-10));
  }
}

TEST_CASE("counts: nnz and parameters are those of the dense matrix") {
  for (const oracle::PatternCase& c : oracle::pattern_cases()) {
    CAPTURE(c.name);
    const SparsePattern& s = *c.pattern;
    const std::vector<bool> stored = oracle::parameters_of(s);
    const oracle::Values ones(static_cast<std::size_t>(s.values_size()), 1.0);
    double total = 0;
    for (const double entry : to_dense(s, ones)) total += entry;
    CHECK(s.nnz() == static_cast<std::int64_t>(total));
    if (s.blocks() > 0) CHECK(s.parameter_count() == std::count(stored.begin(), stored.end(), true));
    CHECK(s.density() == doctest::Approx(s.rows() * s.cols() == 0 ? 0 : total / static_cast<double>(s.rows() * s.cols())));
  }
}

TEST_CASE("values are stored in panels of 32 rows, padded to 16, m fastest") {
  const ValueLayout forty{BlockKind::dense, 40, 5};
  CHECK(forty.slot_size() == 32 * 5 + 16 * 5);
  CHECK(forty.offset(3, 2) == 2 * 32 + 3);
  CHECK(forty.offset(35, 2) == 160 + 2 * 16 + 3);
  CHECK(ValueLayout{BlockKind::dense, 10, 7}.slot_size() == 16 * 7);
  CHECK(ValueLayout{BlockKind::dense, 1, 1}.slot_size() == 1);
  CHECK(ValueLayout{BlockKind::dense, 1, 9}.slot_size() == 16 * 9);
  CHECK(ValueLayout{BlockKind::diagonal, 9, 9}.slot_size() == 9);
  CHECK(ValueLayout{BlockKind::identity, 9, 9}.slot_size() == 1);
  for (const int height : {1, 2, 16, 17, 32, 33, 64, 70}) {
    const ValueLayout block{BlockKind::dense, height, 3};
    std::set<std::int64_t> places;
    for (int m = 0; m < height; ++m)
      for (int k = 0; k < 3; ++k) places.insert(block.offset(m, k));
    CHECK(static_cast<std::int64_t>(places.size()) == block.slot_parameters());
    CHECK(*places.rbegin() < block.slot_size());
  }
}

TEST_CASE("the fingerprint tells structures apart and ignores the name") {
  std::map<std::uint64_t, std::string> seen;
  for (const oracle::PatternCase& c : oracle::pattern_cases()) {
    const auto entry = seen.emplace(c.pattern->fingerprint(), c.name);
    CHECK_MESSAGE(entry.second, c.name << " and " << entry.first->second);
    PatternSpec renamed = c.pattern->spec();
    renamed.name += " again";
    CHECK(make_pattern(renamed)->fingerprint() == c.pattern->fingerprint());
  }
  PatternSpec other = good();
  other.tie = {1, 0, 0};
  CHECK(make_pattern(other)->fingerprint() != make_pattern(good())->fingerprint());
}

namespace {

struct CountedPlan {
  static int& made() {
    static int count = 0;
    return count;
  }
  std::int64_t rows;
  std::int64_t bytes() const { return 1000; }
};

CountedPlan make_counted(const SparsePattern& s) {
  ++CountedPlan::made();
  return {static_cast<std::int64_t>(s.by_column().ptr.size())};  // a plan may ask for a view
}

}  // namespace

TEST_CASE("a plan is made once and lives with its pattern") {
  const PatternPtr s = make_pattern(good());
  const std::int64_t before = s->bytes();
  const CountedPlan& plan = s->plan<CountedPlan>(make_counted);
  CHECK(plan.rows == 3);
  CHECK(&s->plan<CountedPlan>(make_counted) == &plan);
  CHECK(CountedPlan::made() == 1);
  CHECK(s->bytes() >= before + 1000);
}

TEST_CASE("to_dense wants exactly the values of the layout") {
  const PatternPtr s = make_pattern(good());
  try {
    to_dense(*s, std::vector<double>(5));
    FAIL("accepted");
  } catch (const ShapeError& error) {
    CHECK(contains(error.what(), "5 values given, the pattern has 96"));
  }
}

TEST_CASE("spy draws a small pattern scalar by scalar and a large one in shades") {
  CHECK(spy(*patterns::lower_bidiagonal(4)) == "#   \n##  \n ## \n  ##\n");
  CHECK(spy(*patterns::permutation({1, 0}, 2)) == "  # \n   #\n#   \n #  \n");
  CHECK(spy(*patterns::dense(128, 128), 4) == "####\n####\n####\n####\n");
  CHECK(spy(*patterns::block_diagonal(4, 2, 2), 4) == "#   \n #  \n  # \n   #\n");
  CHECK(spy(*patterns::banded(8, 0, 0), 2) == ". \n .\n");
  CHECK(spy(*patterns::banded(8, 0, 0), 1) == ".\n");       // an eighth
  CHECK(spy(*patterns::banded(8, 1, 0), 2) == ": \n.:\n");  // 7 of 16, and 1 of 16
  CHECK(spy(*patterns::banded(8, 1, 1), 4) == "#.  \n.#. \n .#.\n  .#\n");
  CHECK(spy(*patterns::from_rows(3, 4, [](std::int64_t i) { return std::vector<std::int32_t>{static_cast<std::int32_t>(i)}; })) ==
        "#   \n #  \n  # \n");
  CHECK(spy(*patterns::conv2d({1, 4, 1}, 1, {.kernel = 1})) == "#   \n #  \n  # \n   #\n");
  CHECK_THROWS_AS(spy(*patterns::dense(2, 2), 0), ShapeError);
}
