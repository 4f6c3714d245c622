#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/tests/oracle/oracle.hpp>

using namespace weft;
using namespace weft::patterns;
using oracle::ConvField;
using oracle::Values;

namespace {

/// A convolution and the pixels it runs on.
struct Conv {
  Lattice in;
  int c_out;
  Conv2dOptions options;
};

/// Every stride, dilation and padding of small kernels, the group counts, and the image sizes of the equality tests.
std::vector<Conv> convolutions() {
  std::vector<Conv> all;
  for (const int kernel : {1, 2, 3})
    for (const int stride : {1, 2, 3})
      for (const int pad : {0, 1, 2})
        for (const int dilation : {1, 2})
          for (const int groups : {1, 2, 4}) all.push_back({{6, 7, 4}, 8, {kernel, stride, pad, dilation, groups}});
  all.push_back({{6, 5, 4}, 4, {.kernel = 3, .pad = 1, .groups = 4}});  // depthwise
  all.push_back({{11, 11, 3}, 5, {.kernel = 3, .pad = 1}});
  all.push_back({{28, 28, 1}, 2, {.kernel = 3}});
  all.push_back({{5, 4, 33}, 1, {.kernel = 3, .stride = 2, .pad = 1}});
  all.push_back({{5, 4, 1}, 33, {.kernel = 5, .pad = 2}});
  return all;
}

std::string label(const Conv& c) { return conv2d(c.in, c.c_out, c.options)->name(); }

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

TEST_CASE("a convolution's pattern times a vector is the direct convolution") {
  constexpr std::int64_t kColumns = 2;
  for (const Conv& c : convolutions()) {
    CAPTURE(label(c));
    const PatternPtr s = conv2d(c.in, c.c_out, c.options);
    const int kernel = c.options.kernel;
    const Values weight = oracle::random_values(std::int64_t{c.c_out} * (c.in.c / c.options.groups) * kernel * kernel, 4);
    const Values values = oracle::conv_values(*s, c.options, ConvField::forward, weight);
    const Values x = oracle::random_values(c.in.size() * kColumns, 5);
    const Values direct = oracle::conv2d(c.in, c.c_out, c.options, weight, x, kColumns);
    CHECK(s->rows() == conv2d_out(c.in, c.c_out, c.options).size());
    CHECK(s->cols() == c.in.size());
    REQUIRE(oracle::max_difference(oracle::spmm(*s, values, x, kColumns), direct) < 1e-12);
    CHECK(oracle::conv_weight(*s, c.options, ConvField::forward, values) == weight);
  }
}

TEST_CASE("a transposed convolution's pattern scatters as the direct one does, and undoes the lattice") {
  constexpr std::int64_t kColumns = 2;
  for (const Conv& c : convolutions()) {
    for (const int output_pad : {0, c.options.stride - 1}) {
      CAPTURE(label(c));
      CAPTURE(output_pad);
      const Lattice in = {c.in.h, c.in.w, 8};
      const int c_out = 4, kernel = c.options.kernel;
      const PatternPtr s = conv_transpose2d(in, c_out, c.options, output_pad);
      const Lattice out = conv_transpose2d_out(in, c_out, c.options, output_pad);
      CHECK(conv2d_out(out, 8, c.options) == in);
      const Values weight = oracle::random_values(std::int64_t{8} * (c_out / c.options.groups) * kernel * kernel, 6);
      const Values values = oracle::conv_values(*s, c.options, ConvField::transposed, weight);
      const Values x = oracle::random_values(in.size() * kColumns, 7);
      REQUIRE(s->rows() == out.size());
      REQUIRE(oracle::max_difference(oracle::spmm(*s, values, x, kColumns),
                                     oracle::conv_transpose2d(in, c_out, c.options, output_pad, weight, x, kColumns)) < 1e-12);
      CHECK(s->is_lower_triangular());
    }
  }
  const PatternPtr depthwise = conv_transpose2d({3, 4, 5}, 5, {.kernel = 3, .stride = 2, .groups = 5});
  const Values weight = oracle::random_values(5 * 9, 8), x = oracle::random_values(60, 9);
  CHECK(depthwise->block().kind == BlockKind::diagonal);
  CHECK(oracle::max_difference(
            oracle::spmm(*depthwise,
                         oracle::conv_values(*depthwise, {.kernel = 3, .stride = 2, .groups = 5}, ConvField::transposed, weight), x, 1),
            oracle::conv_transpose2d({3, 4, 5}, 5, {.kernel = 3, .stride = 2, .groups = 5}, 0, weight, x, 1)) < 1e-12);
}

TEST_CASE("a convolution over a series is the one over an image one pixel high, and the causal one looks back only") {
  constexpr std::int64_t kColumns = 2;
  struct Case {
    int length, c_in, c_out;
    Conv1dOptions options;
  };
  const Case cases[] = {{9, 2, 3, {}},
                        {12, 4, 6, {.kernel = 4, .stride = 3, .pad = 2, .groups = 2}},
                        {11, 3, 3, {.kernel = 3, .pad = 2, .dilation = 2, .groups = 3}},
                        {7, 2, 5, {.kernel = 1}},
                        {10, 2, 3, {.kernel = 3, .dilation = 2, .causal = true}},
                        {10, 4, 4, {.kernel = 2, .stride = 3, .groups = 4, .causal = true}}};
  for (const Case& c : cases) {
    const PatternPtr s = conv1d(c.length, c.c_in, c.c_out, c.options);
    CAPTURE(s->name());
    const int steps = conv1d_out(c.length, c.c_in, c.c_out, c.options).h, taps = c.options.kernel, groups = c.options.groups;
    const int left = c.options.causal ? c.options.dilation * (taps - 1) : c.options.pad, in = c.c_in / groups, out = c.c_out / groups;
    CHECK(s->rows() == std::int64_t{steps} * c.c_out);
    CHECK(s->cols() == std::int64_t{c.length} * c.c_in);
    const Values values = oracle::random_values(s->values_size(), 4), x = oracle::random_values(s->cols() * kColumns, 5);
    Values direct;
    for (int t = 0; t < steps; ++t)
      for (int o = 0; o < c.c_out; ++o)
        for (int n = 0; n < kColumns; ++n) {
          double sum = 0;
          for (int tap = 0; tap < taps; ++tap)
            for (int i = 0; i < in; ++i) {
              const int at = t * c.options.stride - left + tap * c.options.dilation, group = o / out;
              if (at < 0 || at >= c.length) continue;
              const ValueLayout& block = s->block();
              const std::int64_t place = block.kind == BlockKind::diagonal
                                             ? tap * block.slot_size() + o
                                             : (tap * groups + group) * block.slot_size() + block.offset(o % out, i);
              sum += values[static_cast<std::size_t>(place)] *
                     x[static_cast<std::size_t>((std::int64_t{at} * c.c_in + group * in + i) * kColumns + n)];
            }
          direct.push_back(sum);
        }
    CHECK(oracle::max_difference(oracle::spmm(*s, values, x, kColumns), direct) < 1e-12);
    CHECK(s->is_lower_triangular() == (c.options.causal || taps == 1));
    CHECK(s->is_upper_triangular() == (!c.options.causal || taps == 1));
  }
  CHECK(conv1d_out(10, 1, 1, {.kernel = 3, .stride = 3, .causal = true}).h == 4);
  CHECK_THROWS_WITH_AS(conv1d(9, 2, 3, {.pad = 1, .causal = true}), doctest::Contains("leave pad at 0"), ShapeError);
  CHECK_THROWS_WITH_AS(conv1d(2, 2, 3), doctest::Contains("leaves no output of 2 steps"), ShapeError);
  CHECK_THROWS_AS(conv1d(9, 2, 3, {.groups = 2}), ShapeError);
  CHECK_THROWS_AS(conv1d(0, 2, 3, {.causal = true}), ShapeError);
}

TEST_CASE("intervals store what rows do") {
  const auto interval = [](std::int64_t i) { return i % 9 == 4 ? Interval{5, 5} : Interval{i / 3, std::min<std::int64_t>(i + 30, 77)}; };
  for (const int block : {1, 8, 16, 64, 100}) {
    CAPTURE(block);
    const PatternPtr a = from_intervals(60, 77, interval, block);
    const PatternPtr b = from_rows(
        60, 77,
        [&](std::int64_t i) {
          std::vector<std::int32_t> columns;
          for (std::int64_t c = interval(i).begin; c < interval(i).end; ++c) columns.push_back(static_cast<std::int32_t>(c));
          return columns;
        },
        block);
    CHECK(a->fingerprint() == b->fingerprint());
    CHECK(a->nnz() == b->nnz());
  }
  CHECK(from_intervals(640, 640, [](std::int64_t i) { return Interval{0, i / 64 * 64 + 64}; })->masked() == false);
  CHECK_THROWS_WITH_AS(from_intervals(4, 5,
                                      [](std::int64_t i) {
                                        return Interval{i, i + 3};
                                      }),
                       doctest::Contains("[3, 6) in row 3"), ShapeError);
}

TEST_CASE("every forward convolution is upper triangular by its lattice keys, and only by them") {
  for (const Conv& c : convolutions()) {
    CAPTURE(label(c));
    CHECK(conv2d(c.in, c.c_out, c.options)->is_upper_triangular());
    CHECK(transpose(conv2d(c.in, c.c_out, c.options))->is_lower_triangular());
  }
  const PatternPtr centred = conv2d({5, 5, 1}, 1, {.kernel = 3, .pad = 1});
  CHECK_FALSE(centred->is_lower_triangular());
  PatternSpec bare = centred->spec();
  bare.row_key.clear(), bare.col_key.clear();
  CHECK_FALSE(make_pattern(bare)->is_upper_triangular());  // compact indices do not show it
  CHECK(random_blocks(conv2d({4, 4, 32}, 64, {.kernel = 3, .pad = 1}), 16, 0.5, 1)->is_upper_triangular());
  CHECK(untied(centred)->is_upper_triangular());
  CHECK(avg_pool2d({6, 6, 3}, {.kernel = 3, .stride = 2, .pad = 1})->is_upper_triangular());
  CHECK(repeat_diagonal(centred, 3)->is_upper_triangular());
  CHECK(lower_bidiagonal(12, 3)->is_lower_triangular());
  CHECK_FALSE(lower_bidiagonal(12, 3)->is_upper_triangular());
}

TEST_CASE("keys count the padded lattice: a row has its top-left tap, a column its pixel") {
  // 3 x 4 pixels padded to 5 x 6; 2 x 2 outputs
  CHECK(conv2d({3, 4, 2}, 4, {.kernel = 3, .stride = 2, .pad = 1})->spec().row_key == std::vector<std::int64_t>{0, 2, 12, 14});
  CHECK(conv2d({3, 4, 2}, 4, {.kernel = 3, .stride = 2, .pad = 1, .groups = 2})->spec().row_key ==
        std::vector<std::int64_t>{0, 0, 2, 2, 12, 12, 14, 14});
  CHECK(conv2d({2, 2, 1}, 1, {.kernel = 3, .pad = 1})->spec().col_key == std::vector<std::int64_t>{5, 6, 9, 10});
}

TEST_CASE("neighbouring taps of a kernel row are neighbouring columns and slots") {
  const PatternPtr s = conv2d({6, 6, 4}, 8, {.kernel = 3, .pad = 1});
  const std::int64_t middle = 2 * 6 + 3, begin = s->row_ptr()[static_cast<std::size_t>(middle)];
  REQUIRE(s->row_ptr()[static_cast<std::size_t>(middle) + 1] - begin == 9);
  for (int e = 0; e < 9; ++e) {
    CHECK(s->slot(begin + e) == e);
    CHECK(s->col()[static_cast<std::size_t>(begin + e)] == (1 + e / 3) * 6 + 2 + e % 3);
  }
}

TEST_CASE("convolutions that leave no output, or split no channels, are refused by their numbers") {
  CHECK(contains(message_of([] { conv2d({4, 4, 3}, 2, {.kernel = 5}); }), "kernel 5 with dilation 1 leaves no output of 4x4 pixels"));
  CHECK(contains(message_of([] { conv2d({4, 4, 3}, 2, {.kernel = 3, .dilation = 2}); }), "dilation 2 leaves no output"));
  CHECK(contains(message_of([] { conv2d({4, 4, 3}, 2, {.groups = 2}); }), "groups 2 must divide 3 input and 2 output"));
  CHECK(contains(message_of([] { conv2d({4, 4, 4}, 6, {.groups = 4}); }), "groups 4 must divide 4 input and 6 output"));
  CHECK(contains(message_of([] { conv2d({4, 4, 3}, 2, {.stride = 0}); }), "stride 0"));
  CHECK(contains(message_of([] { conv2d({4, 4, 3}, 2, {.pad = -1}); }), "pad -1"));
  CHECK(contains(message_of([] { conv2d({4, 0, 3}, 2); }), "4x0x3"));
  CHECK(contains(message_of([] { conv2d({4, 4, 3}, 0); }), "0 output channels"));
  CHECK(contains(message_of([] {
                   conv_transpose2d({4, 4, 3}, 2, {.stride = 2}, 2);
                 }),
                 "output_pad 2 must be in [0, stride) with stride 2"));
  CHECK(contains(message_of([] { conv_transpose2d({1, 1, 3}, 2, {.kernel = 2, .pad = 3}); }), "-4x-4"));
  CHECK(contains(message_of([] { pool2d_out({4, 4, 3}, {.kernel = 2, .pad = 2}); }), "pad 2"));
  CHECK(contains(message_of([] { pool2d_out({4, 4, 3}, {.kernel = 5}); }), "kernel 5 leaves no output"));
}

TEST_CASE("what 32-bit indices cannot hold is refused before it is built") {
  CHECK(contains(message_of([] { dense(std::int64_t{1} << 40, std::int64_t{1} << 20); }), "34359738368 x 32768 blocks"));
  CHECK(contains(message_of([] { conv2d({100000, 100000, 1}, 1); }), "100000x100000x1 -> 99998x99998x1"));
  CHECK(contains(message_of([] { conv2d({100000, 100000, 1}, 1, {.kernel = 99999}); }), "kernel 99999 in 1 groups"));
  CHECK_THROWS_AS(block_diagonal(std::int64_t{1} << 40, 1 << 30, 1), ShapeError);
  CHECK_THROWS_AS(block_diagonal(-1, -1, 4), ShapeError);
}

TEST_CASE("average pooling is the mean, its transpose spreads") {
  for (const Pool2dOptions options : {Pool2dOptions{}, Pool2dOptions{3}, Pool2dOptions{3, 2, 1}, Pool2dOptions{2, 1}}) {
    const Lattice in = {7, 6, 3};
    const PatternPtr s = avg_pool2d(in, options);
    const Values constant(1, 1.0 / (options.kernel * options.kernel)), x = oracle::random_values(in.size() * 2, 1);
    CHECK(s->rows() == pool2d_out(in, options).size());
    CHECK(s->slots() == 1);
    CHECK(oracle::max_difference(oracle::spmm(*s, constant, x, 2), oracle::avg_pool2d(in, options, x, 2)) < 1e-14);
  }
}

TEST_CASE("dense patterns store everything once, in blocks no larger than the matrix") {
  const PatternPtr s = dense(10, 1568);
  CHECK(s->block() == ValueLayout{BlockKind::dense, 10, 32});
  CHECK(s->nnz() == 15680);
  CHECK(s->density() == 1);
  CHECK_FALSE(s->tied());
  CHECK(dense(33, 17)->grid_rows() == 2);
  CHECK(dense(0, 5)->nnz() == 0);
  CHECK(contains(message_of([] { dense(-1, 5); }), "-1 x 5"));
  CHECK(contains(message_of([] { dense(2, 5, 0); }), "block 0"));
}

TEST_CASE("bands and permutations hold what their names say") {
  const Values band = oracle::support(*banded(6, 1, 2));
  for (int i = 0; i < 6; ++i)
    for (int j = 0; j < 6; ++j) CHECK(band[static_cast<std::size_t>(i * 6 + j)] == (j - i >= -1 && j - i <= 2 ? 1 : 0));
  const Values shuffled = oracle::spmm(*permutation({2, 0, 1}, 2), {1.0}, {0, 1, 2, 3, 4, 5}, 1);
  CHECK(shuffled == Values{4, 5, 0, 1, 2, 3});
  CHECK(contains(message_of([] { permutation({0, 3, 1}); }), "source 3"));
  CHECK(contains(message_of([] { permutation({0, 1, 1}); }), "source 1"));
  CHECK(contains(message_of([] { banded(4, -1, 0); }), "-1 diagonals below"));
}

TEST_CASE("from_rows and from_mask compile a rule into blocks and masks, to the scalar") {
  for (const int block : {1, 3, 8, 64}) {
    CAPTURE(block);
    const std::int64_t rows = 21, cols = 34;
    std::vector<std::uint8_t> mask;
    for (std::int64_t i = 0; i < rows * cols; ++i) mask.push_back(i % 5 == 0 || i / cols < 4 || i % cols > 30 ? 1 : 0);
    const PatternPtr s = from_mask(rows, cols, mask, block);
    CHECK(oracle::support(*s) == Values(mask.begin(), mask.end()));
    CHECK(s->nnz() == std::count(mask.begin(), mask.end(), 1));
    CHECK(s->masked() == (block > 1));
  }
  CHECK_FALSE(from_mask(20, 20, std::vector<std::uint8_t>(400, 1), 8)->masked());  // full blocks need none, ragged or not
  const PatternPtr causal = from_rows(512, 512, [](std::int64_t i) {
    std::vector<std::int32_t> columns;
    for (std::int32_t j = 0; j <= i; ++j) columns.push_back(j);
    return columns;
  });
  CHECK(causal->blocks() == 8 * 9 / 2);
  CHECK(causal->spec().mask_bits.size() == 64);  // the diagonal blocks share one mask
  CHECK(causal->nnz() == 512 * 513 / 2);
}

TEST_CASE("from_rows grows with what is stored, never with rows times columns") {
  const std::int64_t n = 1'000'000;
  const PatternPtr s = from_rows(n, n, [](std::int64_t i) {
    return i % 1000 == 0 ? std::vector<std::int32_t>{static_cast<std::int32_t>(i)} : std::vector<std::int32_t>{};
  });
  CHECK(s->nnz() == 1000);
  CHECK(s->bytes() < 1'200'000);
  CHECK(contains(message_of([] { from_rows(3, 4, [](std::int64_t) { return std::vector<std::int32_t>{4}; }); }),
                 "column 4 in row 0 is outside [0, 4)"));
  CHECK(contains(message_of([] { from_mask(3, 4, std::vector<std::uint8_t>(11)); }), "11 mask entries given for 3 x 4"));
}

TEST_CASE("random_blocks keeps its share, in every output, the same at every pixel") {
  const PatternPtr conv = conv2d({5, 5, 32}, 64, {.kernel = 3, .pad = 1});
  for (const double density : {0.05, 0.25, 0.5, 1.0}) {
    CAPTURE(density);
    const PatternPtr linear = random_blocks(256, 512, 16, density, 3);
    CHECK(linear->block() == ValueLayout{BlockKind::dense, 16, 16});
    CHECK(linear->blocks() == std::llround(density * 16 * 32));
    CHECK_FALSE(linear->tied());
    for (std::int64_t r = 0; r < linear->grid_rows(); ++r)
      CHECK(linear->row_ptr()[static_cast<std::size_t>(r)] < linear->row_ptr()[static_cast<std::size_t>(r) + 1]);

    const PatternPtr thin = random_blocks(conv, 16, density, 3);
    CHECK(thin->slots() == std::max<long long>(4, std::llround(density * 9 * 4 * 2)));
    CHECK(thin->rows() == conv->rows());
    CHECK(thin->grid_rows() == conv->grid_rows() * 4);
    const std::int64_t inside = 2 * 5 + 2;  // a pixel that sees every tap shows every slot once
    std::set<std::int32_t> slots;
    for (std::int64_t e = thin->row_ptr()[static_cast<std::size_t>(inside * 4)];
         e < thin->row_ptr()[static_cast<std::size_t>(inside * 4 + 4)]; ++e)
      slots.insert(thin->slot(e));
    CHECK(static_cast<std::int32_t>(slots.size()) == thin->slots());
  }
}

TEST_CASE("random_blocks removes sub-blocks of a matrix and changes nothing else") {
  for (const PatternPtr& whole :
       {conv2d({4, 3, 32}, 64, {.kernel = 3, .pad = 1}), conv2d({4, 3, 32}, 64, {.kernel = 3, .groups = 2}), dense(40, 41)}) {
    CAPTURE(whole->name());
    const PatternPtr same = random_blocks(whole, 16, 1.0, 3), thin = random_blocks(whole, 16, 0.4, 3);
    CHECK(oracle::support(*same) == oracle::support(*whole));
    CHECK(same->parameter_count() == whole->parameter_count());
    const Values kept = oracle::support(*thin), all = oracle::support(*whole);
    for (std::size_t i = 0; i < kept.size(); ++i) REQUIRE(kept[i] <= all[i]);
    CHECK(same->tied() == whole->tied());
    CHECK(thin->spec().row_key.size() == (whole->spec().row_key.empty() ? 0 : static_cast<std::size_t>(thin->grid_rows())));
  }
}

TEST_CASE("random_blocks is a function of its seed and refuses what it cannot cut") {
  CHECK(random_blocks(128, 128, 16, 0.3, 1)->fingerprint() == random_blocks(128, 128, 16, 0.3, 1)->fingerprint());
  CHECK(random_blocks(128, 128, 16, 0.3, 1)->fingerprint() != random_blocks(128, 128, 16, 0.3, 2)->fingerprint());
  CHECK(random_blocks(dense(10, 64), 16, 1.0, 1)->block().height == 10);  // covered: not cut
  CHECK(contains(message_of([] { random_blocks(64, 64, 16, 0, 1); }), "density 0 "));
  CHECK(contains(message_of([] { random_blocks(64, 64, 16, 1.5, 1); }), "density 1.5"));
  CHECK(contains(message_of([] { random_blocks(dense(64, 64), 12, 0.5, 1); }), "block 12 neither divides nor covers the sides of 32 x 32"));
  CHECK(contains(message_of([] { random_blocks(avg_pool2d({4, 4, 2}), 2, 0.5, 1); }), "only dense blocks"));
}
