#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <weft/core/error.hpp>
#include <weft/core/tensor.hpp>

using namespace weft;

namespace {

const std::vector<std::int64_t> kCounts = {0, 1, 9, 17, 65, 130};

template <class T>
std::vector<T> counting(std::int64_t n) {
  std::vector<T> values(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(i % 251);
  return values;
}

/// The element of logical row `row`, column `n`, by the definition of the layout.
template <class T>
T element(const Tensor& t, std::int64_t row, std::int64_t n) {
  const int lanes = t.columns()->lanes;
  return t.data<T>()[n / lanes * t.tile_stride() + row * lanes + n % lanes];
}

/// The message of the error that f throws; empty if it throws none.
template <class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("columns take one lane up to 8 and sixteen beyond, unless told") {
  CHECK(sample_columns(8)->lanes == 1);
  CHECK(sample_columns(9)->lanes == 16);
  CHECK(sample_columns(20, Lanes::one)->lanes == 1);
  CHECK(sample_columns(1, Lanes::sixteen)->lanes == 16);
  const ColumnsPtr c = sample_columns(33, Lanes::by_count, 100);
  CHECK(c->tiles() == 3);
  CHECK(c->padded() == 48);
  CHECK(c->valid_lanes(1) == 16);
  CHECK(c->valid_lanes(2) == 1);
  CHECK(c->first_global == 100);
  CHECK(*c == *sample_columns(33, Lanes::by_count, 100));
  CHECK_FALSE(*c == *sample_columns(33));
  CHECK(sample_columns(0)->tiles() == 0);
  CHECK_THROWS_AS(sample_columns(-1), ShapeError);
  CHECK(contains(message_of([] { sample_columns(-3); }), "-3"));
}

TEST_CASE_TEMPLATE("packing and unpacking are inverse at every count", T, std::uint8_t, std::int32_t, float, double) {
  for (const std::int64_t n : kCounts)
    for (const Lanes lanes : {Lanes::one, Lanes::sixteen}) {
      CAPTURE(n);
      const Shape rows = {3, 2};
      const std::vector<T> values = counting<T>(6 * n);
      const Tensor by_rows = pack_rows(values, rows, sample_columns(n, lanes));
      CHECK(by_rows.dtype() == dtype_of<T>());
      CHECK(by_rows.rows() == rows);
      CHECK(unpack_rows<T>(by_rows) == values);

      std::vector<T> samples(values.size());  // [n][row] of the same matrix
      for (std::int64_t row = 0; row < 6; ++row)
        for (std::int64_t i = 0; i < n; ++i) samples[static_cast<std::size_t>(i * 6 + row)] = values[static_cast<std::size_t>(row * n + i)];
      CHECK(unpack_rows<T>(pack_samples(samples.data(), rows, sample_columns(n, lanes))) == values);
    }
}

TEST_CASE("elements lie [tile][row][lane] and padding lanes repeat the last column") {
  for (const std::int64_t n : kCounts) {
    CAPTURE(n);
    const ColumnsPtr columns = sample_columns(n, Lanes::sixteen);
    const std::vector<float> values = counting<float>(5 * n);
    const Tensor by_rows = pack_rows(values, {5}, columns);
    const Tensor by_samples = pack_samples(unpack_rows<float>(by_rows).data(), {5}, columns);
    CHECK(by_rows.element_count() == 5 * columns->padded());
    for (std::int64_t row = 0; row < 5; ++row)
      for (std::int64_t i = 0; i < columns->padded(); ++i) {
        const std::int64_t valid = std::min(i, n - 1);
        REQUIRE(element<float>(by_rows, row, i) == values[static_cast<std::size_t>(row * n + valid)]);
        REQUIRE(element<float>(by_samples, row, i) == values[static_cast<std::size_t>(valid * 5 + row)]);
      }
  }
}

TEST_CASE("storage is aligned, and one lane is one sample after another") {
  const Tensor t = pack_rows(counting<double>(4 * 7), {4}, sample_columns(7));
  CHECK(reinterpret_cast<std::uintptr_t>(t.bytes()) % 64 == 0);
  CHECK(t.columns()->lanes == 1);
  for (int row = 0; row < 4; ++row)
    for (int i = 0; i < 7; ++i) CHECK(t.data<double>()[i * 4 + row] == row * 7 + i);
}

TEST_CASE("a slice of rows shares the elements, to read and to write") {
  for (const std::int64_t n : {std::int64_t{1}, std::int64_t{17}, std::int64_t{65}}) {
    CAPTURE(n);
    const Tensor whole = pack_rows(counting<float>(6 * n), {6}, sample_columns(n));
    const Tensor middle = whole.slice_rows(2, 5);
    CHECK(middle.row_count() == 3);
    CHECK(middle.tile_stride() == whole.tile_stride());
    CHECK(middle.is_contiguous() == (whole.columns()->tiles() == 1));
    const std::vector<float> all = unpack_rows<float>(whole);
    CHECK(unpack_rows<float>(middle) == std::vector<float>(all.begin() + 2 * n, all.begin() + 5 * n));

    const Tensor copy = middle.clone();
    CHECK(copy.is_contiguous());
    CHECK_FALSE(copy.shares_storage(middle));
    CHECK(unpack_rows<float>(copy) == unpack_rows<float>(middle));

    middle.fill(-1);
    const std::vector<float> written = unpack_rows<float>(whole);
    for (std::int64_t row = 0; row < 6; ++row)
      for (std::int64_t i = 0; i < n; ++i) {
        const auto at = static_cast<std::size_t>(row * n + i);
        REQUIRE(written[at] == (row >= 2 && row < 5 ? -1.0f : all[at]));
      }
    CHECK(unpack_rows<float>(copy)[0] == all[static_cast<std::size_t>(2 * n)]);
  }
}

TEST_CASE("slices name the rows they were asked for") {
  const Tensor t = Tensor::tiled(Dtype::f32, {6}, sample_columns(3));
  CHECK(contains(message_of([&] { (void)t.slice_rows(2, 7); }), "rows [2, 7) of a tensor with 6 rows"));
  CHECK_THROWS_AS((void)t.slice_rows(-1, 2), ShapeError);
  CHECK_THROWS_AS((void)t.slice_rows(3, 2), ShapeError);
  CHECK(t.slice_rows(6, 6).row_count() == 0);
}

TEST_CASE("reshaping keeps elements and columns") {
  const Tensor t = pack_rows(counting<float>(12 * 20), {2, 3, 2}, sample_columns(20));
  const Tensor flat = t.reshape_rows({12});
  CHECK(flat.shares_storage(t));
  CHECK(flat.rows() == Shape{12});
  CHECK(unpack_rows<float>(flat) == unpack_rows<float>(t));
  CHECK(contains(message_of([&] { (void)t.reshape_rows({5, 2}); }), "12 rows) cannot become 5x2"));
}

TEST_CASE("clone and fill reach plain tensors too") {
  const Tensor t = Tensor::plain(Dtype::f64, {3, 4});
  t.fill(2.5);
  const Tensor copy = t.clone();
  t.fill(0);
  CHECK(unpack_rows<double>(copy) == std::vector<double>(12, 2.5));
  CHECK(unpack_rows<double>(t) == std::vector<double>(12, 0.0));
}

TEST_CASE("a plain view lives in its arena") {
  const Tensor arena = Tensor::plain(Dtype::f32, {10});
  arena.fill(1);
  const Tensor view = Tensor::plain_view(arena, 4, {2, 3});
  view.fill(7);
  CHECK(unpack_rows<float>(arena) == std::vector<float>{1, 1, 1, 1, 7, 7, 7, 7, 7, 7});
  CHECK(contains(message_of([&] { (void)Tensor::plain_view(arena, 5, {2, 3}); }), "2x3 from element 5"));
}

TEST_CASE("cast changes the dtype and nothing else") {
  const Tensor t = pack_rows(counting<float>(5 * 17), {5}, sample_columns(17));
  const Tensor wide = cast(t, Dtype::f64);
  CHECK(wide.dtype() == Dtype::f64);
  const std::vector<float> values = unpack_rows<float>(t);
  CHECK(unpack_rows<double>(wide) == std::vector<double>(values.begin(), values.end()));
  CHECK(unpack_rows<float>(cast(wide, Dtype::f32)) == values);
  CHECK(unpack_rows<double>(cast(t.slice_rows(1, 2), Dtype::f64)) == std::vector<double>(values.begin() + 17, values.begin() + 34));
  CHECK(contains(message_of([&] { (void)cast(t, Dtype::i32); }), "f32 to i32"));
}

TEST_CASE("data of another dtype, of nothing, and without columns are refused by name") {
  CHECK(contains(message_of([] { (void)Tensor::plain(Dtype::f32, {2}).data<double>(); }), "f64 data asked of a tensor of f32"));
  CHECK_THROWS_AS((void)Tensor().data<float>(), UsageError);
  CHECK_THROWS_AS((void)Tensor::tiled(Dtype::f32, {2}, nullptr), ShapeError);
  CHECK(contains(message_of([] { (void)pack_rows(std::vector<float>(5), {2}, sample_columns(3)); }),
                 "5 values given for 2 rows and 3 columns"));
}

TEST_CASE("shapes refuse what does not fit 64 bits, a negative extent, a seventh axis") {
  const std::int64_t big = std::int64_t{1} << 40;
  CHECK_THROWS_AS(Shape({big, big}), ShapeError);
  CHECK(contains(message_of([] { (void)Shape({2, -4}); }), "-4"));
  CHECK_THROWS_AS(Shape({1, 1, 1, 1, 1, 1, 1}), ShapeError);
  CHECK((Shape{2, 3} + 4) == Shape{2, 3, 4});
  CHECK(Shape{2, 3}.with_back(5) == Shape{2, 5});
  CHECK(Shape{14, 14, 32}.str() == "14x14x32");
  CHECK(Shape().size() == 1);
}

TEST_CASE("a pool serves a returned buffer again") {
  const Pool pool;
  for (int step = 0; step < 5; ++step) {
    const Tensor a = Tensor::tiled(Dtype::f32, {10}, sample_columns(32), pool);
    const Tensor b = a.clone(pool);
    CHECK_FALSE(a.shares_storage(b));
  }
  CHECK(pool.allocations() == 2);
  CHECK(pool.bytes() == 2 * 10 * 32 * 4);
  Tensor survivor = Tensor::plain(Dtype::u8, {3}, Pool());  // outlives its pool
  survivor.fill(9);
  CHECK(unpack_rows<std::uint8_t>(survivor) == std::vector<std::uint8_t>{9, 9, 9});
}
