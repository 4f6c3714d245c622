// Losses of sequences of different lengths, and far from zero.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/autograd/gradcheck.hpp>
#include <weft/autograd/ops.hpp>
#include <weft/core/error.hpp>
#include <weft/layers/embedding.hpp>
#include <weft/layers/linear.hpp>
#include <weft/tests/checks/drawn.hpp>

using namespace weft;
using namespace weft::checks;

namespace {

constexpr std::int64_t kSteps = 4, kWidth = 3;

/// Lengths from none to beyond the last step.
ColumnsPtr ragged(std::int64_t n, Lanes lanes) {
  std::vector<std::int32_t> lengths;
  for (std::int64_t i = 0; i < n; ++i) lengths.push_back(static_cast<std::int32_t>((i + 2) % 6));
  return sample_columns(lengths, lanes);
}

/// A loss over [kSteps, kWidth] predictions and what one step of one column adds to it.
struct SequenceLoss {
  std::string name;
  std::function<Loss(Var x, const ColumnsPtr& columns)> loss;
  std::function<double(const std::vector<double>& x, std::int64_t step, std::int64_t n)> expected;
  std::int64_t counts;  ///< values that a step adds to the count
};

double target_at(std::int64_t row, std::int64_t n) { return 0.1 * static_cast<double>((3 * row + n) % 11); }

Tensor real_targets(const ColumnsPtr& columns) {
  std::vector<double> values;
  for (std::int64_t row = 0; row < kSteps * kWidth; ++row)
    for (std::int64_t n = 0; n < columns->count; ++n) values.push_back(target_at(row, n));
  return pack_rows(values, {kSteps, kWidth}, columns);
}

/// Classes; steps beyond the end hold no class at all.
Tensor class_targets(const ColumnsPtr& columns) {
  std::vector<std::int32_t> values;
  for (std::int64_t t = 0; t < kSteps; ++t)
    for (std::int64_t n = 0; n < columns->count; ++n)
      values.push_back(t < columns->length(n, kSteps) ? static_cast<std::int32_t>((t + n) % kWidth) : 999);
  return pack_rows(values, {kSteps}, columns);
}

SequenceLoss pointwise(std::string name, std::function<Loss(Var, const Tensor&)> loss, std::function<double(double, double)> f) {
  return {std::move(name), [loss](Var x, const ColumnsPtr& columns) { return loss(x, real_targets(columns)); },
          [f](const std::vector<double>& x, std::int64_t step, std::int64_t n) {
            double sum = 0;
            for (std::int64_t c = 0; c < kWidth; ++c) sum += f(x[static_cast<std::size_t>(c)], target_at(step * kWidth + c, n));
            return sum;
          },
          kWidth};
}

std::vector<SequenceLoss> sequence_losses() {
  return {
      {"cross entropy", [](Var x, const ColumnsPtr& columns) { return cross_entropy(x, class_targets(columns)); },
       [](const std::vector<double>& x, std::int64_t step, std::int64_t n) {
         double sum = 0;
         for (const double v : x) sum += std::exp(v);
         return std::log(sum) - x[static_cast<std::size_t>((step + n) % kWidth)];
       },
       1},
      pointwise("mse", mse, [](double x, double t) { return (x - t) * (x - t); }),
      pointwise("mae", mae, [](double x, double t) { return std::abs(x - t); }),
      pointwise(
          "huber", [](Var x, const Tensor& t) { return huber(x, t, 0.5); },
          [](double x, double t) { return std::abs(x - t) <= 0.5 ? (x - t) * (x - t) / 2 : 0.5 * (std::abs(x - t) - 0.25); }),
      pointwise("bce", bce_with_logits, [](double x, double t) { return std::log1p(std::exp(-std::abs(x))) + std::max(x, 0.0) - x * t; }),
  };
}

std::vector<ColumnsPtr> ragged_columns() {
  std::vector<ColumnsPtr> all;
  for (const std::int64_t n : {1, 9, 17, 40})
    for (const Lanes lanes : {Lanes::one, Lanes::sixteen}) all.push_back(ragged(n, lanes));
  return all;
}

}  // namespace

TEST_CASE("steps beyond a column's length enter neither sum nor count") {
  for (const SequenceLoss& c : sequence_losses())
    for (const ColumnsPtr& columns : ragged_columns()) {
      INFO(c.name, ", N = ", columns->count, " in ", columns->lanes, " lanes");
      const Tensor x = normal_rows({kSteps, kWidth}, columns, 1);
      const std::vector<double> values = doubles(x);
      double sum = 0;
      std::int64_t count = 0;
      for (std::int64_t n = 0; n < columns->count; ++n)
        for (std::int64_t t = 0; t < columns->length(n, kSteps); ++t) {
          std::vector<double> step;
          for (std::int64_t i = 0; i < kWidth; ++i) step.push_back(values[static_cast<std::size_t>((t * kWidth + i) * columns->count + n)]);
          sum += c.expected(step, t, n);
          count += c.counts;
        }
      Tape tape;
      const Loss loss = c.loss(tape.input(x), columns);
      CHECK(loss.count == count);
      CHECK(doubles(loss.sum.value())[0] == doctest::Approx(sum).epsilon(1e-13));
    }
}

TEST_CASE("steps beyond a column's length have exactly zero gradient") {
  for (const SequenceLoss& c : sequence_losses())
    for (const ColumnsPtr& columns : ragged_columns()) {
      INFO(c.name, ", N = ", columns->count, " in ", columns->lanes, " lanes");
      Tape tape;
      const Var x = tape.leaf(normal_rows({kSteps, kWidth}, columns, 1));
      const Tensor g = tape.backward(c.loss(x, columns).sum).of(x);
      for (std::int64_t n = 0; n < columns->padded(); ++n)
        for (std::int64_t row = 0; row < kSteps * kWidth; ++row) {
          const double slope = g.data<double>()[n / columns->lanes * g.tile_stride() + row * columns->lanes + n % columns->lanes];
          CHECK((slope != 0) == (n < columns->count && row / kWidth < columns->length(n, kSteps)));
        }
      const GradcheckResult result = gradcheck([&](Tape&, const std::vector<Var>& v) { return c.loss(v[0], columns).mean(); },
                                               {normal_rows({kSteps, kWidth}, columns, 1)});
      CHECK_MESSAGE(result.passed, result.report);
    }
}

TEST_CASE("lengths leave a value without a time axis alone") {
  const ColumnsPtr columns = ragged(9, Lanes::sixteen);
  Tape tape;
  const Var x = tape.input(normal_rows({3}, columns, 1));
  CHECK(mse(x, normal_rows({3}, columns, 2)).count == 27);
  CHECK(cross_entropy(x, pack_rows(std::vector<std::int32_t>(9, 1), {1}, columns)).count == 9);
}

TEST_CASE("bce_with_logits stays finite and exact at large logits") {
  const ColumnsPtr columns = sample_columns(6);
  const Tensor x = pack_rows(std::vector<double>{1000, -1000, 1000, -1000, 30, 0}, {1}, columns);
  const Tensor t = pack_rows(std::vector<double>{1, 0, 0, 1, 1, 0.5}, {1}, columns);
  Tape tape;
  const Var logits = tape.leaf(x);
  const Loss loss = bce_with_logits(logits, t);
  CHECK(doubles(loss.sum.value())[0] == doctest::Approx(2000 + std::exp(-30.0) + std::log(2.0)).epsilon(1e-14));
  CHECK(doubles(tape.backward(loss.sum).of(logits))[3] == -1);
}

TEST_CASE("the cross-entropy of a large vocabulary in chunks is that of its logits") {
  constexpr std::int64_t kVocabulary = 33278, kWindow = 2;
  for (const std::int64_t d : {6, 260})  // logits kept for backward, and computed again
    for (const ColumnsPtr& columns : {sample_columns(45), ragged(33, Lanes::sixteen)}) {
      INFO("d = ", d, ", N = ", columns->count);
      ParamStore params(Device{}, 3, Dtype::f64);
      const Embedding words(Scope(params) / "words", kVocabulary, d, {.init = initialise::normal(0.3)});
      const Linear softmax(Scope(params) / "softmax", words.table());
      std::vector<std::int32_t> classes;
      for (std::int64_t i = 0; i < kWindow * columns->count; ++i)
        classes.push_back(i % 7 == 3 ? -100 : static_cast<std::int32_t>(i * 7919 % kVocabulary));
      const Tensor targets = pack_rows(classes, {kWindow}, columns), x = normal_rows({kWindow, d}, columns, 1);
      struct Found {
        double loss;
        std::int64_t count;
        std::vector<double> dx, dw, db;
      };
      const auto found = [&](bool chunked) {
        Tape tape;
        const Var in = tape.leaf(x);
        const Loss loss = chunked ? softmax.cross_entropy(in, targets) : cross_entropy(softmax(in), targets);
        if (chunked) {
          double sum = 0;
          for (const double each : unpack_rows<double>(loss.each)) sum += each;
          CHECK(sum == doctest::Approx(doubles(loss.sum.value())[0]).epsilon(1e-13));
        }
        const Gradients gradients = tape.backward(loss.mean());
        return Found{doubles(loss.sum.value())[0], loss.count, doubles(gradients.of(in)), doubles(gradients.of(words.weight())),
                     doubles(gradients.of(softmax.bias()))};
      };
      const Found whole = found(false), parts = found(true);
      CHECK(parts.loss == doctest::Approx(whole.loss).epsilon(1e-13));
      CHECK(parts.count == whole.count);
      const auto gap = [](const std::vector<double>& a, const std::vector<double>& b) {
        REQUIRE(a.size() == b.size());
        double worst = 0;
        for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
        return worst;
      };
      CHECK(gap(parts.dx, whole.dx) < 1e-14);
      CHECK(gap(parts.dw, whole.dw) < 1e-14);
      CHECK(gap(parts.db, whole.db) < 1e-14);
    }
}

TEST_CASE("losses refuse what does not fit") {
  const ColumnsPtr columns = sample_columns(3);
  Tape tape;
  const Var x = tape.input(normal_rows({2}, columns, 1));
  CHECK_THROWS_WITH_AS(huber(x, normal_rows({2}, columns, 2), 0), doctest::Contains("delta is 0"), UsageError);
  CHECK_THROWS_WITH_AS(huber(x, normal_rows({2}, columns, 2), NAN), doctest::Contains("delta"), UsageError);
  CHECK_THROWS_WITH_AS(mae(x, normal_rows({3}, columns, 2)), doctest::Contains("mae"), ShapeError);
  CHECK_THROWS_WITH_AS(mae(x, normal_rows({2}, ragged(3, Lanes::one), 2)), doctest::Contains("Columns"), ShapeError);
  CHECK_THROWS_WITH_AS(bce_with_logits(x, cast(normal_rows({2}, columns, 2), Dtype::f32)), doctest::Contains("f32"), UsageError);
}
