#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <hwy/targets.h>

#include <weft/autograd/ops.hpp>
#include <weft/core/error.hpp>
#include <weft/core/random.hpp>
#include <weft/kernels/maps.hpp>

using namespace weft;
using kernels::Map;
using kernels::MapCall;

namespace {

Tensor tiled(const Shape& rows, std::int64_t n, Lanes lanes = Lanes::by_count, std::int64_t first = 0) {
  std::vector<double> values;
  const Random random(42, 1);
  for (std::int64_t row = 0; row < rows.size(); ++row)
    for (std::int64_t column = first; column < first + n; ++column)
      values.push_back(4 * random.uniform(static_cast<std::uint64_t>(row * 100003 + column)) - 2);
  return pack_rows(values, rows, sample_columns(n, lanes, first));
}

Tensor plain(Dtype dtype, const std::vector<double>& values) {
  Tensor t = Tensor::plain(Dtype::f64, {static_cast<std::int64_t>(values.size())});
  std::copy(values.begin(), values.end(), t.data<double>());
  return dtype == Dtype::f64 ? t : cast(t, dtype);
}

std::vector<double> doubles(const Tensor& t) { return unpack_rows<double>(cast(t, Dtype::f64)); }

template <class E, class F>
std::string message(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "no error";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

double exact(const MapCall& call, double x) {
  switch (call.map) {
    case Map::identity: return x;
    case Map::relu: return x > 0 ? x : 0;
    case Map::leaky_relu: return x > 0 ? x : call.a * x;
    case Map::gelu: return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case Map::silu: return x / (1 + std::exp(-x));
    case Map::tanh: return std::tanh(x);
    case Map::sigmoid: return 1 / (1 + std::exp(-x));
    case Map::exp: return std::exp(x);
    case Map::log: return std::log(x);
    case Map::sqrt: return std::sqrt(x);
    case Map::abs: return std::abs(x);
    case Map::clamp: return x < call.a ? call.a : x > call.b ? call.b : x;
  }
  return 0;
}

const std::vector<MapCall>& calls() {
  static const std::vector<MapCall> all = {
      {Map::identity}, {Map::relu}, {Map::leaky_relu, 0.125}, {Map::gelu}, {Map::silu}, {Map::tanh}, {Map::sigmoid}, {Map::exp}, {Map::log},
      {Map::sqrt},     {Map::abs},  {Map::clamp, -1, 2}};
  return all;
}

Tensor mapped(const MapCall& call, const Tensor& x, const Tensor& bits = Tensor()) {
  const Tensor y = Tensor::plain(x.dtype(), x.rows());
  kernels::map(call, x, y, bits);
  return y;
}

/// Runs f for each instruction set this machine and build have.
template <class F>
void for_targets(F&& f) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    CAPTURE(hwy::TargetName(target));
    f();
  }
  hwy::SetSupportedTargetsForTest(0);
}

}  // namespace

TEST_CASE("maps are right to the last bits on every instruction set") {
  std::vector<double> points;
  for (double v = -30; v <= 30; v += 0.0137) points.push_back(v);
  for (double v = -4; v <= 4; v += 0.00137) points.push_back(v);
  for_targets([&] {
    for (const Dtype dtype : {Dtype::f32, Dtype::f64})
      for (const MapCall& call : calls()) {
        CAPTURE(kernels::name_of(call.map));
        const Tensor x = plain(dtype, points);
        const std::vector<double> in = doubles(x), out = doubles(mapped(call, x));
        double worst = 0;
        for (std::size_t i = 0; i < in.size(); ++i) {
          const double want = exact(call, in[i]);
          if (std::isnan(want) && std::isnan(out[i])) continue;
          // gelu of a large negative number is a small difference: its error counts against x, as 1 + erf gives it
          const double size = call.map == Map::gelu ? std::abs(in[i]) : std::abs(want);
          const double error = std::abs(out[i] - want) / std::max(size, 1e-30);
          worst = std::max(worst, std::isnan(error) ? INFINITY : error);
        }
        CHECK(worst <= (dtype == Dtype::f32 ? 4e-7 : 1e-15));
      }
  });
}

TEST_CASE("maps without transcendentals have the same bits on every instruction set") {
  std::vector<double> points = {0, -0.0, 1e-40, -1e-40, 1e30};
  for (double v = -3; v <= 3; v += 0.00731) points.push_back(v);
  for (const Dtype dtype : {Dtype::f32, Dtype::f64})
    for (const MapCall& call : calls()) {
      if (call.map != Map::identity && call.map != Map::relu && call.map != Map::leaky_relu && call.map != Map::abs &&
          call.map != Map::clamp)
        continue;
      CAPTURE(kernels::name_of(call.map));
      std::vector<std::vector<double>> found;
      for_targets([&] { found.push_back(doubles(mapped(call, plain(dtype, points)))); });
      REQUIRE(found.size() >= 1);
      for (const std::vector<double>& each : found) CHECK(std::memcmp(each.data(), found[0].data(), each.size() * sizeof(double)) == 0);
    }
}

TEST_CASE("maps keep NaN, overflow to infinity and know the edges of their domain") {
  const double inf = std::numeric_limits<double>::infinity();
  for_targets([&] {
    for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
      for (const MapCall& call : calls()) {
        CAPTURE(kernels::name_of(call.map));
        CHECK(std::isnan(doubles(mapped(call, plain(dtype, {NAN})))[0]));
      }
      CHECK(doubles(mapped({Map::exp}, plain(dtype, {1000, -1e6, inf, -inf, 0}))) == std::vector<double>{inf, 0, inf, 0, 1});
      CHECK(doubles(mapped({Map::log}, plain(dtype, {0, inf, 1}))) == std::vector<double>{-inf, inf, 0});
      CHECK(std::isnan(doubles(mapped({Map::log}, plain(dtype, {-1})))[0]));
      CHECK(doubles(mapped({Map::sigmoid}, plain(dtype, {1000, -1000}))) == std::vector<double>{1, 0});
      CHECK(doubles(mapped({Map::tanh}, plain(dtype, {1000, -inf}))) == std::vector<double>{1, -1});
      CHECK(doubles(mapped({Map::silu}, plain(dtype, {1000, -1000}))) == std::vector<double>{1000, 0});
    }
  });
}

TEST_CASE("bits say where x > 0, for any length") {
  for_targets([&] {
    for (const Dtype dtype : {Dtype::f32, Dtype::f64})
      for (const int n : {1, 7, 8, 9, 15, 16, 17, 31, 100}) {
        CAPTURE(n);
        std::vector<double> values;
        for (int i = 0; i < n; ++i) values.push_back(i % 5 == 0 ? 0 : (i * 7 % 11) - 5);
        const Tensor x = plain(dtype, values);
        const Tensor bits = Tensor::plain(Dtype::u8, {kernels::bit_bytes(x)});
        REQUIRE(bits.row_count() == (n + 7) / 8);
        for (const MapCall& call : {MapCall{Map::relu}, MapCall{Map::leaky_relu, 0.125}}) {
          bits.fill(255);
          mapped(call, x, bits);
          const Tensor slope = plain(dtype, std::vector<double>(values.size(), 2));
          kernels::map_grad(call, bits, slope, slope);
          const std::vector<double> found = doubles(slope);
          for (int i = 0; i < n; ++i) {
            const bool positive = values[static_cast<std::size_t>(i)] > 0;
            CHECK((bits.data<std::uint8_t>()[i / 8] >> i % 8 & 1) == (positive ? 1 : 0));
            CHECK(found[static_cast<std::size_t>(i)] == (positive ? 2 : 2 * call.a));
          }
        }
      }
  });
}

TEST_CASE("a slope that is infinite stays zero where nothing arrives") {
  for (const Map map : {Map::sqrt, Map::log}) {
    const Tensor dy = plain(Dtype::f32, {0, 1});
    kernels::map_grad({map}, plain(Dtype::f32, {0, 0}), dy, dy);
    CHECK(doubles(dy) == std::vector<double>{0, std::numeric_limits<double>::infinity()});
  }
}

TEST_CASE("a loss is a sum and a count; mean divides, and nothing gives zero") {
  Tape tape;
  const Var logits = tape.leaf(tiled({3}, 10));
  std::vector<std::int32_t> classes = {0, 1, 2, -100, 0, 1, -100, 2, 0, 1};
  const Tensor targets = pack_rows(classes, {1}, logits.columns());
  const Loss loss = cross_entropy(logits, targets);
  CHECK(loss.count == 8);
  CHECK(*loss.mean().value().data<double>() == doctest::Approx(*loss.sum.value().data<double>() / 8));

  const Tensor ignored = Tensor::tiled(Dtype::i32, {1}, logits.columns());
  ignored.fill(-100);
  const Loss nothing = cross_entropy(logits, ignored);
  CHECK(nothing.count == 0);
  CHECK(*nothing.mean().value().data<double>() == 0);
  for (const double g : unpack_rows<double>(tape.backward(nothing.mean()).of(logits))) CHECK(g == 0);
  CHECK(mse(logits, tiled({3}, 10)).count == 30);
}

TEST_CASE("splitting a batch changes neither a loss's terms nor its gradients") {
  const auto gradients = [](std::int64_t first, std::int64_t n, double& sum) {
    Tape tape;
    const Var x = tape.leaf(tiled({4}, n, Lanes::sixteen, first));
    std::vector<std::int32_t> classes;
    for (std::int64_t i = first; i < first + n; ++i) classes.push_back(static_cast<std::int32_t>(i % 4));
    const Loss loss = cross_entropy(x, pack_rows(classes, {1}, x.columns()));
    sum += *loss.sum.value().data<double>();
    return unpack_rows<double>(tape.backward(loss.sum).of(x));
  };
  double whole_sum = 0, parts_sum = 0;
  const std::vector<double> whole = gradients(0, 40, whole_sum), left = gradients(0, 16, parts_sum), right = gradients(16, 24, parts_sum);
  CHECK(whole_sum == doctest::Approx(parts_sum).epsilon(1e-14));
  for (std::size_t row = 0; row < 4; ++row) {
    for (std::size_t n = 0; n < 16; ++n) CHECK(whole[row * 40 + n] == left[row * 16 + n]);
    for (std::size_t n = 0; n < 24; ++n) CHECK(whole[row * 40 + 16 + n] == right[row * 24 + n]);
  }
}

TEST_CASE("softmax and cross-entropy hold at large logits") {
  Tape tape;
  const Var x = tape.leaf(pack_rows<float>({1e4F, 0, -1e4F, 88, 87, 86}, {3}, sample_columns(2)));
  for (const float v : unpack_rows<float>(softmax(x).value())) CHECK((v >= 0 && v <= 1));
  const Tensor targets = pack_rows<std::int32_t>({2, 0}, {1}, x.columns());
  const Loss loss = cross_entropy(x, targets);
  CHECK(std::isfinite(*loss.sum.value().data<float>()));
  for (const float g : unpack_rows<float>(tape.backward(loss.sum).of(x))) CHECK(std::isfinite(g));
}

TEST_CASE("batch norm keeps running statistics as torch does, and reads them in eval") {
  Tape tape;
  const BatchStatistics running{plain(Dtype::f64, {0.5, -0.5}), plain(Dtype::f64, {1, 2}), 0.1};
  const Tensor gamma = plain(Dtype::f64, {2, 3}), beta = plain(Dtype::f64, {1, -1}), x = tiled({3, 2}, 9);
  batch_norm(tape.leaf(x), tape.leaf(gamma), tape.leaf(beta), running, 1e-5);
  const std::vector<double> values = unpack_rows<double>(x), mean = unpack_rows<double>(running.mean),
                            variance = unpack_rows<double>(running.variance);
  const std::vector<double> mean_before = {0.5, -0.5}, variance_before = {1, 2};
  for (std::size_t c = 0; c < 2; ++c) {
    double sum = 0, squares = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += i / 9 % 2 == c ? values[i] / 27 : 0;
    for (std::size_t i = 0; i < values.size(); ++i) squares += i / 9 % 2 == c ? (values[i] - sum) * (values[i] - sum) : 0;
    CHECK(mean[c] == doctest::Approx(0.9 * mean_before[c] + 0.1 * sum));
    CHECK(variance[c] == doctest::Approx(0.9 * variance_before[c] + 0.1 * squares / 26));
  }
  tape.reset(1, Mode::eval);
  const std::vector<double> y = unpack_rows<double>(batch_norm(tape.leaf(x), tape.leaf(gamma), tape.leaf(beta), running, 1e-5).value());
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::size_t c = i / 9 % 2;
    CHECK(y[i] == doctest::Approx((values[i] - mean[c]) / std::sqrt(variance[c] + 1e-5) * (c == 0 ? 2 : 3) + (c == 0 ? 1 : -1)));
  }
  CHECK(unpack_rows<double>(running.mean) == mean);
}

TEST_CASE("batch norm is right where the mean is large against the deviation") {
  Tape tape;
  std::vector<float> values;
  for (int i = 0; i < 100; ++i) values.push_back(1000.0F + (i % 2 == 0 ? 0.5F : -0.5F));
  const Var x = tape.leaf(pack_rows(values, {1}, sample_columns(100)));
  const BatchStatistics running{plain(Dtype::f32, {0}), plain(Dtype::f32, {1})};
  const std::vector<float> y =
      unpack_rows<float>(batch_norm(x, tape.leaf(plain(Dtype::f32, {1})), tape.leaf(plain(Dtype::f32, {0})), running, 0).value());
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(y[i] == doctest::Approx(i % 2 == 0 ? 1 : -1));
}

namespace {

std::vector<float> dropped(std::int64_t n, Lanes lanes, std::int64_t first, std::uint64_t seed, std::int64_t step,
                           const std::string& path) {
  Tape tape(Mode::train, seed);
  tape.reset(step);
  const Tape::PathScope scope(tape, path);
  Tensor ones = Tensor::tiled(Dtype::f32, {50}, sample_columns(n, lanes, first));
  ones.fill(1);
  return unpack_rows<float>(dropout(tape.leaf(ones), 0.25).value());
}

}  // namespace

TEST_CASE("dropout draws depend on seed, step, layer, row and global column, and on nothing else") {
  const std::vector<float> all = dropped(100, Lanes::sixteen, 0, 42, 3, "a");
  CHECK(dropped(100, Lanes::one, 0, 42, 3, "a") == all);
  const std::vector<float> part = dropped(30, Lanes::sixteen, 20, 42, 3, "a");
  for (std::size_t row = 0; row < 50; ++row)
    for (std::size_t n = 0; n < 30; ++n) CHECK(part[row * 30 + n] == all[row * 100 + 20 + n]);
  CHECK(dropped(100, Lanes::sixteen, 0, 43, 3, "a") != all);
  CHECK(dropped(100, Lanes::sixteen, 0, 42, 4, "a") != all);
  CHECK(dropped(100, Lanes::sixteen, 0, 42, 3 + (std::int64_t{1} << 32), "a") != all);
  CHECK(dropped(100, Lanes::sixteen, 0, 42, 3, "b") != all);
  double sum = 0;
  for (const float v : all) {
    CHECK((v == 0 || v == 1 / 0.75F));
    sum += static_cast<double>(v);
  }
  CHECK(std::abs(sum / 5000 - 1) < 0.04);  // four standard deviations are 0.033
}

TEST_CASE("dropout leaves eval and p = 0 alone") {
  Tape tape(Mode::eval);
  const Var x = tape.leaf(tiled({3}, 5));
  CHECK(dropout(x, 0.5).id() == x.id());
  tape.reset(1, Mode::train);
  const Var y = tape.leaf(tiled({3}, 5));
  CHECK(dropout(y, 0).id() == y.id());
}

TEST_CASE("ties go to the first") {
  Tape tape;
  const Var x = tape.leaf(pack_rows<double>({1, 1, 1}, {3}, sample_columns(1))),
            y = tape.leaf(pack_rows<double>({1, 1, 1}, {3}, sample_columns(1)));
  const Gradients g = tape.backward(sum(maximum(x, y)) + sum(minimum(x, y)) + sum(max_rows(x)) + sum(min_rows(x)));
  CHECK(unpack_rows<double>(g.of(x)) == std::vector<double>{4, 2, 2});
  CHECK(unpack_rows<double>(g.of(y)) == std::vector<double>{0, 0, 0});
}

TEST_CASE("sums select valid columns") {
  for (const Lanes lanes : {Lanes::one, Lanes::sixteen}) {
    Tape tape;
    Tensor x = Tensor::tiled(Dtype::f64, {2}, sample_columns(5, lanes));
    x.fill(1);
    CHECK(*sum(tape.leaf(x)).value().data<double>() == 10);
    CHECK(*mean(tape.leaf(x)).value().data<double>() == 1);
    const Tensor zero = x.clone();
    zero.fill(0);
    CHECK(*mse(tape.leaf(x), zero).sum.value().data<double>() == 10);
  }
  Tape tape;
  const Var none = tape.leaf(Tensor::tiled(Dtype::f64, {2}, sample_columns(0)));
  CHECK(*sum(none).value().data<double>() == 0);
  CHECK(*mean(none).value().data<double>() == 0);
}

TEST_CASE("ops refuse what does not fit, with both sides") {
  Tape tape;
  const Var x = tape.leaf(tiled({3, 2}, 9)), narrow = tape.leaf(tiled({3, 2}, 8, Lanes::sixteen)), tall = tape.leaf(tiled({4, 2}, 9));
  const Var ids = tape.input(pack_rows<std::int32_t>({1, 2}, {1}, sample_columns(2))),
            single = tape.leaf(cast(tiled({3, 2}, 9), Dtype::f32));
  const Tensor targets = Tensor::tiled(Dtype::i32, {3}, x.columns());
  targets.fill(2);
  CHECK(contains(message<ShapeError>([&] { (void)(x * narrow); }), "N = 9"));
  CHECK(contains(message<ShapeError>([&] { (void)(x * tall); }), "3x2"));
  CHECK(contains(message<UsageError>([&] { (void)(x * single); }), "f32"));
  CHECK(contains(message<UsageError>([&] { (void)softmax(ids); }), "i32"));
  CHECK(contains(message<UsageError>([&] { (void)cross_entropy(x, targets); }), "target 2 at row 0, column 0"));
  CHECK(contains(message<ShapeError>([&] { (void)cross_entropy(tall, targets); }), "4 leading rows"));
  CHECK(contains(message<UsageError>([&] { (void)cross_entropy(x, targets, {.label_smoothing = 2}); }), "smoothing is 2"));
  CHECK(contains(message<ShapeError>([&] { (void)mse(x, tiled({4, 2}, 9)); }), "4x2"));
  CHECK(contains(message<UsageError>([&] { (void)mse(x, targets); }), "i32"));
  CHECK(contains(message<UsageError>([&] { (void)dropout(x, 1); }), "p is 1"));
  CHECK(contains(message<UsageError>([&] { (void)clamp(x, 1, -1); }), "[1, -1]"));
  CHECK(contains(message<ShapeError>([&] { (void)slice(x, 1, 4); }), "[1, 4)"));
  CHECK(contains(message<ShapeError>([&] { (void)reshape(x, {5}); }), "5"));
  CHECK(contains(message<ShapeError>([&] { (void)concat({x, tape.leaf(tiled({3, 3}, 9))}); }), "3x3"));
  CHECK(
      contains(message<ShapeError>([&] { (void)layer_norm(x, tape.leaf(plain(Dtype::f64, {1})), tape.leaf(plain(Dtype::f64, {1})), 0.1); }),
               "gamma"));
  CHECK(contains(message<UsageError>([&] { (void)concat({}); }), "no values"));
}
