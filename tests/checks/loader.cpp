#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/core/error.hpp>
#include <weft/data/loader.hpp>
#include <weft/tests/checks/tiny_set.hpp>

using namespace weft;
using checks::tiny_set;

namespace {

/// Everything a batch holds, padding lanes included.
struct Bits {
  std::vector<float> x;
  std::vector<std::int32_t> targets;
  std::int64_t count = 0;
  bool operator==(const Bits&) const = default;
};

Bits bits(const Batch& batch) {
  const float* x = batch.x.data<float>();
  const std::int32_t* t = batch.targets.data<std::int32_t>();
  return {{x, x + batch.x.element_count()}, {t, t + batch.targets.element_count()}, batch.x.columns()->count};
}

std::vector<Bits> epoch_bits(Loader& loader, std::int64_t epoch, std::int64_t first = 0) {
  std::vector<Bits> all;
  loader.begin(epoch, first);
  for (Batch batch; loader.next(batch);) all.push_back(bits(batch));
  return all;
}

/// One image of a batch as pixel bytes, given mean 0 and std 1.
std::vector<int> image(const Batch& batch, std::int64_t column) {
  const std::vector<float> values = unpack_rows<float>(batch.x);
  const std::int64_t n = batch.x.columns()->count;
  std::vector<int> pixels;
  for (std::int64_t row = 0; row < batch.x.row_count(); ++row)
    pixels.push_back(static_cast<int>(std::lround(values[static_cast<std::size_t>(row * n + column)] * 255)));
  return pixels;
}

LoaderOptions augmented() { return {.batch = 32, .shift = 1, .crop = 2, .flip = Flip::yes, .mean = {0.13F}, .std = {0.3F}}; }

}  // namespace

TEST_CASE("an epoch gives every sample once, with its label, in an order of its own") {
  const ImageSet set = tiny_set(200);
  Loader loader(set, {.batch = 32});
  CHECK(loader.batches() == 7);
  std::vector<std::vector<int>> orders;
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<int> order;
    loader.begin(epoch);
    for (Batch b; loader.next(b);) {
      CHECK(b.x.columns() == b.targets.columns());
      CHECK(b.x.rows() == Shape{3, 4, 1});
      const std::vector<std::int32_t> targets = unpack_rows<std::int32_t>(b.targets);
      for (std::int64_t n = 0; n < b.x.columns()->count; ++n) {
        order.push_back(image(b, n)[0] - 1);
        CHECK(targets[static_cast<std::size_t>(n)] == order.back() % 10);
      }
    }
    CHECK(std::set<int>(order.begin(), order.end()).size() == 200);
    CHECK(order.size() == 200);
    CHECK_FALSE(std::is_sorted(order.begin(), order.end()));
    orders.push_back(order);
  }
  CHECK(orders[0] != orders[1]);
  CHECK(orders[1] != orders[2]);
}

TEST_CASE("order and augmentation depend on seed and epoch alone") {
  const ImageSet set = tiny_set(150);
  Loader one(set, augmented()), two(set, augmented());
  const std::vector<Bits> first = epoch_bits(one, 4);
  epoch_bits(two, 9);
  CHECK(epoch_bits(two, 4) == first);
  CHECK(epoch_bits(one, 4) == first);
  CHECK(epoch_bits(one, 5) != first);
  LoaderOptions other = augmented();
  other.seed = 43;
  Loader three(set, other);
  CHECK(epoch_bits(three, 4) != first);
  other.shuffle = Shuffle::no;
  Loader in_order(set, other);
  CHECK(epoch_bits(in_order, 4) != epoch_bits(in_order, 5));
}

TEST_CASE("an epoch resumed at any batch goes on with the same bits") {
  const ImageSet set = tiny_set(150);
  Loader loader(set, augmented());
  const std::vector<Bits> whole = epoch_bits(loader, 2);
  REQUIRE(whole.size() == 5);
  for (std::size_t first = 0; first <= whole.size(); ++first) {
    Loader fresh(set, augmented());
    const std::vector<Bits> rest = epoch_bits(fresh, 2, static_cast<std::int64_t>(first));
    CHECK(rest == std::vector<Bits>(whole.begin() + static_cast<std::ptrdiff_t>(first), whole.end()));
  }
}

TEST_CASE("begin in the middle of an epoch drops what was prepared") {
  const ImageSet set = tiny_set(400);
  Loader loader(set, augmented()), other(set, augmented());
  const std::vector<Bits> wanted = epoch_bits(other, 1, 3);
  for (int times = 0; times < 50; ++times) {
    loader.begin(0);
    Batch batch;
    for (int i = 0; i < times % 4; ++i) CHECK(loader.next(batch));
    CHECK(epoch_bits(loader, 1, 3) == wanted);
  }
}

TEST_CASE("evaluation batches come in order, whole and plain, the last one smaller") {
  const ImageSet set = tiny_set(70);
  Loader loader(set, LoaderOptions{.batch = 32, .shift = 2, .flip = Flip::yes, .last = LastBatch::drop}.for_evaluation());
  CHECK(loader.batches() == 3);
  loader.begin(0);
  std::int64_t sample = 0;
  for (Batch b; loader.next(b);)
    for (std::int64_t n = 0; n < b.x.columns()->count; ++n, ++sample) {
      const std::uint8_t* pixels = set.pixels.data() + sample * 12;
      CHECK(image(b, n) == std::vector<int>(pixels, pixels + 12));
    }
  CHECK(sample == 70);
}

TEST_CASE("a last batch can be dropped, and a set smaller than a batch is one batch") {
  const ImageSet set = tiny_set(70);
  Loader dropping(set, {.batch = 32, .last = LastBatch::drop});
  CHECK(dropping.batches() == 2);
  CHECK(epoch_bits(dropping, 0).size() == 2);
  Loader whole(set, {.batch = 1000});
  CHECK(epoch_bits(whole, 0).at(0).count == 70);
  const ImageSet none = tiny_set(0);
  Loader empty(none, {});
  CHECK(epoch_bits(empty, 0).empty());
}

TEST_CASE("padding lanes repeat the last sample, in images and targets") {
  const ImageSet set = tiny_set(35);
  for (const Lanes lanes : {Lanes::by_count, Lanes::one, Lanes::sixteen}) {
    Loader loader(set, {.batch = 35, .shift = 1, .lanes = lanes});
    loader.begin(0);
    Batch b;
    REQUIRE(loader.next(b));
    const Columns& columns = *b.x.columns();
    CHECK(columns.lanes == (lanes == Lanes::one ? 1 : 16));
    const int last = columns.valid_lanes(columns.tiles() - 1) - 1;
    const float* x = b.x.data<float>() + (columns.tiles() - 1) * b.x.tile_stride();
    const std::int32_t* t = b.targets.data<std::int32_t>() + (columns.tiles() - 1) * b.targets.tile_stride();
    for (int lane = last; lane < columns.lanes; ++lane) {
      CHECK(t[lane] == t[last]);
      for (std::int64_t row = 0; row < 12; ++row) CHECK(x[row * columns.lanes + lane] == x[row * columns.lanes + last]);
    }
  }
}

TEST_CASE("every shift moves the image whole and fills with 0; all places occur") {
  const ImageSet set{{2, 3, 2}, 1, 300, {}, std::vector<std::int32_t>(300)};
  ImageSet same = set;
  for (int n = 0; n < 300; ++n)
    for (int p = 1; p <= 12; ++p) same.pixels.push_back(static_cast<std::uint8_t>(p));
  Loader loader(same, {.batch = 300, .shift = 1});
  loader.begin(0);
  Batch b;
  REQUIRE(loader.next(b));
  std::set<std::vector<int>> wanted, seen;
  for (int dy = -1; dy <= 1; ++dy)
    for (int dx = -1; dx <= 1; ++dx) {
      std::vector<int> moved;
      for (int y = 0; y < 2; ++y)
        for (int x = 0; x < 3; ++x)
          for (int c = 0; c < 2; ++c) {
            const bool inside = y + dy >= 0 && y + dy < 2 && x + dx >= 0 && x + dx < 3;
            moved.push_back(inside ? ((y + dy) * 3 + x + dx) * 2 + c + 1 : 0);
          }
      wanted.insert(moved);
    }
  for (std::int64_t n = 0; n < 300; ++n) seen.insert(image(b, n));
  CHECK(seen == wanted);
}

TEST_CASE("a reflecting shift is torch's: [1 2 3] padded by 2 is [3 2 1 2 3 2 1]") {
  ImageSet set{{3, 3, 1}, 1, 300, {}, std::vector<std::int32_t>(300)};
  for (int n = 0; n < 300 * 3; ++n) set.pixels.insert(set.pixels.end(), {1, 2, 3});
  Loader loader(set, {.batch = 300, .shift = 2, .fill = Fill::reflect});
  loader.begin(0);
  Batch b;
  REQUIRE(loader.next(b));
  const std::set<std::vector<int>> wanted{{3, 2, 1}, {2, 1, 2}, {1, 2, 3}, {2, 3, 2}};
  std::set<std::vector<int>> seen;
  for (std::int64_t n = 0; n < 300; ++n) {
    const std::vector<int> p = image(b, n);
    for (std::size_t at = 0; at < 9; at += 3) seen.insert({p[at], p[at + 1], p[at + 2]});
  }
  CHECK(seen == wanted);
}

TEST_CASE("every reflecting shift, crop and flip is a window of the padded image; all places occur") {
  const Lattice in{4, 5, 3};
  constexpr int kShift = 3, kCrop = 3, kImages = 3000;
  ImageSet set{in, 1, kImages, {}, std::vector<std::int32_t>(kImages)};
  for (int n = 0; n < kImages; ++n)
    for (int p = 0; p < in.size(); ++p) set.pixels.push_back(static_cast<std::uint8_t>(p + 1));
  const auto mirrored = [](int i, int size) {  // a triangular wave
    const int period = 2 * (size - 1), phase = (i + period) % period;
    return std::min(phase, period - phase);
  };
  std::set<std::vector<int>> wanted, seen;
  for (int top = -kShift; top <= in.h + kShift - kCrop; ++top)
    for (int left = -kShift; left <= in.w + kShift - kCrop; ++left)
      for (const bool flip : {false, true}) {
        std::vector<int> window;
        for (int y = 0; y < kCrop; ++y)
          for (int x = 0; x < kCrop; ++x)
            for (int c = 0; c < in.c; ++c)
              window.push_back((mirrored(top + y, in.h) * in.w + mirrored(left + (flip ? kCrop - 1 - x : x), in.w)) * in.c + c + 1);
        wanted.insert(window);
      }
  Loader loader(set, {.batch = kImages, .shift = kShift, .fill = Fill::reflect, .crop = kCrop, .flip = Flip::yes});
  loader.begin(0);
  Batch b;
  REQUIRE(loader.next(b));
  const std::vector<float> values = unpack_rows<float>(b.x);
  for (std::size_t n = 0; n < kImages; ++n) {
    std::vector<int> pixels;
    for (std::size_t at = n; at < values.size(); at += kImages) pixels.push_back(static_cast<int>(std::lround(values[at] * 255)));
    seen.insert(pixels);
  }
  CHECK(seen == wanted);
}

TEST_CASE("fill says nothing where nothing is moved") {
  const ImageSet set = tiny_set(70);
  LoaderOptions options{.batch = 32, .crop = 2, .flip = Flip::yes};
  Loader zero(set, options);
  options.fill = Fill::reflect;
  Loader reflecting(set, options);
  CHECK(epoch_bits(zero, 0) == epoch_bits(reflecting, 0));
}

TEST_CASE("augmentation goes on from batch to batch") {
  const ImageSet set{{4, 4, 1}, 1, 64, std::vector<std::uint8_t>(64 * 16, 9), std::vector<std::int32_t>(64)};
  Loader loader(set, {.batch = 32, .shift = 1});
  const std::vector<Bits> batches = epoch_bits(loader, 0);
  CHECK(batches[0].x != batches[1].x);
}

TEST_CASE("a shift beyond the image leaves nothing of it") {
  const ImageSet set = tiny_set(400, {2, 2, 1});
  Loader loader(set, {.batch = 400, .shift = 50});
  loader.begin(0);
  Batch b;
  REQUIRE(loader.next(b));
  int black = 0;
  for (std::int64_t n = 0; n < 400; ++n) black += image(b, n) == std::vector<int>{0, 0, 0, 0} ? 1 : 0;
  CHECK(black > 300);
}

TEST_CASE("cutout takes a square at every place, cut at the border, and leaves the channels' means") {
  constexpr int kSide = 6, kHole = 3, kImages = 4000;
  ImageSet set{.lattice = {kSide, kSide, 2}, .classes = 1, .size = kImages, .pixels = {}, .labels = std::vector<std::int32_t>(kImages)};
  for (std::int64_t i = 0; i < kImages * kSide * kSide; ++i) set.pixels.insert(set.pixels.end(), {0, 255});
  Loader loader(set, {.batch = kImages, .cutout = kHole, .mean = {0.2F, 0.6F}, .std = {1, 1}});
  loader.begin(0);
  Batch batch;
  REQUIRE(loader.next(batch));
  const std::vector<float> x = unpack_rows<float>(batch.x);
  std::set<std::pair<int, int>> middles;
  std::size_t largest = 0;
  for (int n = 0; n < kImages; ++n) {
    std::set<std::pair<int, int>> hole;
    for (int y = 0; y < kSide; ++y)
      for (int c = 0; c < kSide; ++c) {
        const auto at = static_cast<std::size_t>(((y * kSide + c) * 2) * kImages + n);
        const bool cut = std::abs(x[at]) < 0.002F;  // a byte near the mean
        CHECK(cut == (std::abs(x[at + kImages]) < 0.002F));
        if (cut) hole.insert({y, c});
      }
    REQUIRE(!hole.empty());
    const int top = hole.begin()->first, left = hole.begin()->second, bottom = hole.rbegin()->first, right = hole.rbegin()->second;
    CHECK(hole.size() == static_cast<std::size_t>((bottom - top + 1) * (right - left + 1)));
    largest = std::max(largest, hole.size());
    middles.insert({top == 0 ? bottom - 1 : top + 1, left == 0 ? right - 1 : left + 1});
  }
  CHECK(largest == kHole * kHole);
  CHECK(middles.size() == kSide * kSide);
  Loader evaluation(set, LoaderOptions{.batch = kImages, .cutout = kHole, .mean = {0.2F, 0.6F}}.for_evaluation());
  evaluation.begin(0);
  REQUIRE(evaluation.next(batch));
  const std::vector<float> whole = unpack_rows<float>(batch.x);
  CHECK(*std::max_element(whole.begin(), whole.begin() + kImages) == doctest::Approx(-0.2));
  CHECK_THROWS_AS(Loader(set, {.cutout = kSide + 1}), UsageError);
}

TEST_CASE("flips mirror rows, channels kept together, about half the time") {
  ImageSet set{{1, 3, 2}, 1, 400, {}, std::vector<std::int32_t>(400)};
  for (int n = 0; n < 400; ++n)
    for (int p = 1; p <= 6; ++p) set.pixels.push_back(static_cast<std::uint8_t>(p));
  Loader loader(set, {.batch = 400, .flip = Flip::yes});
  loader.begin(0);
  Batch b;
  REQUIRE(loader.next(b));
  int mirrored = 0;
  for (std::int64_t n = 0; n < 400; ++n) {
    const std::vector<int> pixels = image(b, n);
    const bool mirror = pixels == std::vector<int>{5, 6, 3, 4, 1, 2};
    CHECK((mirror || pixels == std::vector<int>{1, 2, 3, 4, 5, 6}));
    mirrored += mirror ? 1 : 0;
  }
  CHECK(mirrored > 150);
  CHECK(mirrored < 250);
}

TEST_CASE("crops cut a square, anywhere or in the centre") {
  ImageSet set{{4, 4, 1}, 1, 200, {}, std::vector<std::int32_t>(200)};
  for (int n = 0; n < 200; ++n)
    for (int p = 0; p < 16; ++p) set.pixels.push_back(static_cast<std::uint8_t>(p));
  const LoaderOptions options{.batch = 200, .crop = 2};
  Loader anywhere(set, options), centre(set, options.for_evaluation());
  CHECK(anywhere.lattice() == Lattice{2, 2, 1});
  Batch b;
  anywhere.begin(0);
  REQUIRE(anywhere.next(b));
  CHECK(b.x.rows() == Shape{2, 2, 1});
  std::set<int> corners;
  for (std::int64_t n = 0; n < 200; ++n) {
    const std::vector<int> p = image(b, n);
    CHECK(p == std::vector<int>{p[0], p[0] + 1, p[0] + 4, p[0] + 5});
    corners.insert(p[0]);
  }
  CHECK(corners == std::set<int>{0, 1, 2, 4, 5, 6, 8, 9, 10});
  centre.begin(0);
  REQUIRE(centre.next(b));
  CHECK(image(b, 0) == std::vector<int>{5, 6, 9, 10});
}

TEST_CASE("pixels are normalised in double and rounded once, for f32 and f64") {
  const ImageSet set = tiny_set(20);
  LoaderOptions options{.batch = 20, .shuffle = Shuffle::no, .mean = {0.1307F}, .std = {0.3081F}};
  Batch b;
  Loader single(set, options);
  single.begin(0);
  REQUIRE(single.next(b));
  const std::vector<float> f32 = unpack_rows<float>(b.x);
  options.dtype = Dtype::f64;
  Loader wide(set, options);
  wide.begin(0);
  REQUIRE(wide.next(b));
  const std::vector<double> f64 = unpack_rows<double>(b.x);
  for (std::size_t i = 0; i < f64.size(); ++i) CHECK(f32[i] == static_cast<float>(f64[i]));
  CHECK(f64[0] == (1.0 / 255 - static_cast<double>(0.1307F)) / static_cast<double>(0.3081F));
}

TEST_CASE("each channel has its own mean and deviation") {
  const ImageSet set = tiny_set(35, {3, 4, 3});
  const std::vector<float> mean{0.4914F, 0.4822F, 0.4465F}, deviation{0.247F, 0.2435F, 0.2616F};
  for (const Lanes lanes : {Lanes::sixteen, Lanes::one})
    for (const bool centred : {false, true})
      for (const bool scaled : {false, true}) {
        Loader loader(set, {.batch = 35,
                            .shuffle = Shuffle::no,
                            .mean = centred ? mean : std::vector<float>{},
                            .std = scaled ? deviation : std::vector<float>{},
                            .dtype = Dtype::f64,
                            .lanes = lanes});
        loader.begin(0);
        Batch b;
        REQUIRE(loader.next(b));
        const std::vector<double> values = unpack_rows<double>(b.x);
        bool same = true;
        for (std::size_t row = 0; row < 36; ++row)
          for (std::size_t n = 0; n < 35; ++n) {
            const double p = set.pixels[n * 36 + row], m = static_cast<double>(mean[row % 3]), d = static_cast<double>(deviation[row % 3]);
            same = same && values[row * 35 + n] == (p / 255 - (centred ? m : 0)) / (scaled ? d : 1);
          }
        CHECK(same);
      }
}

TEST_CASE("what enters is a pixel of 0, normalised as its channel") {
  const ImageSet set{{1, 1, 3}, 1, 50, std::vector<std::uint8_t>(150, 255), std::vector<std::int32_t>(50)};
  Loader loader(set, {.batch = 50, .shift = 1, .mean = {0.5F, 0.25F, 0}, .std = {0.5F, 1, 2}, .dtype = Dtype::f64});
  loader.begin(0);
  Batch b;
  REQUIRE(loader.next(b));
  const std::vector<double> values = unpack_rows<double>(b.x);
  std::set<std::vector<double>> seen;
  for (std::size_t n = 0; n < 50; ++n) seen.insert({values[n], values[50 + n], values[100 + n]});
  CHECK(seen == std::set<std::vector<double>>{{-1, -0.25, 0}, {1, 0.75, 0.5}});
}

TEST_CASE("steady epochs allocate no storage") {
  const ImageSet set = tiny_set(490);  // the last batch is a tile shorter than the others
  Loader loader(set, {.batch = 32, .shift = 1});
  const std::int64_t at_first = loader.allocations();
  Batch held;
  for (std::int64_t epoch = 0; epoch < 5; ++epoch) {
    loader.begin(epoch);
    for (Batch b; loader.next(b);) held = b;
  }
  CHECK(loader.allocations() == at_first);
}

TEST_CASE("what preparing a batch throws reaches next(), after the batches before it") {
  ImageSet set = tiny_set(100);
  set.labels[70] = 10;
  Loader loader(set, {.batch = 32, .shuffle = Shuffle::no});
  loader.begin(0);
  Batch b;
  CHECK(loader.next(b));
  CHECK(loader.next(b));
  CHECK_THROWS_WITH_AS(loader.next(b), doctest::Contains("sample 70 has label 10"), FormatError);
  CHECK_THROWS_AS(loader.next(b), FormatError);
  loader.begin(0, 3);
  CHECK(loader.next(b));
  CHECK_FALSE(loader.next(b));
}

TEST_CASE("a loader stops cleanly wherever it is, and moves") {
  const ImageSet set = tiny_set(300);
  for (int taken = 0; taken < 6; ++taken) {
    Loader loader(set, {.batch = 16});
    loader.begin(0);
    Batch b;
    for (int i = 0; i < taken; ++i) CHECK(loader.next(b));
    Loader moved = std::move(loader);
    CHECK(moved.next(b));
  }
  Loader never_begun(set, {});
  Batch b;
  CHECK_FALSE(never_begun.next(b));
}

TEST_CASE("sets and options that make no sense are refused") {
  const ImageSet set = tiny_set(10);
  CHECK_THROWS_AS(Loader(set, {.batch = 0}), UsageError);
  CHECK_THROWS_AS(Loader(set, {.shift = -1}), UsageError);
  CHECK_THROWS_AS(Loader(set, {.std = {0}}), UsageError);
  CHECK_THROWS_WITH_AS(Loader(set, {.mean = {0, 0, 0}}), doctest::Contains("mean has 3 values, the images have 1 channel"), UsageError);
  CHECK_THROWS_WITH_AS(Loader(set, {.std = {1, 1}}), doctest::Contains("std has 2 values, the images have 1 channel"), UsageError);
  CHECK_THROWS_WITH_AS(Loader(set, {.shift = 3, .fill = Fill::reflect}), doctest::Contains("reflects at most 2"), UsageError);
  CHECK_NOTHROW(Loader(set, {.shift = 2, .fill = Fill::reflect}));
  CHECK_THROWS_AS(Loader(set, {.dtype = Dtype::u8}), UsageError);
  CHECK_THROWS_AS(Loader(set, {.crop = 4}), ShapeError);
  ImageSet broken = set;
  broken.pixels.pop_back();
  CHECK_THROWS_AS(Loader(broken, {}), ShapeError);
  Loader loader(set, {});
  CHECK_THROWS_AS(loader.begin(-1), UsageError);
  CHECK_THROWS_AS(loader.begin(0, 2), UsageError);
}
