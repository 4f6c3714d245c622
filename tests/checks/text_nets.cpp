// The networks of the text apps: their forms agree, and they learn from words alone.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include <weft/apps/models/text_nets.hpp>
#include <weft/apps/support/metrics.hpp>
#include <weft/autograd/tape.hpp>
#include <weft/core/random.hpp>
#include <weft/data/text_loader.hpp>
#include <weft/layers/optim/adam.hpp>
#include <weft/layers/summary.hpp>
#include <weft/tests/checks/drawn.hpp>

using namespace weft;
using checks::doubles;

namespace {

constexpr int kWords = 40, kClasses = 4;

/// Texts of up to 12 words, among them one that only texts of their class have.
TextSet drawn_texts(int count) {
  TextSet set{.classes = kClasses, .labels = {}, .ids = {}};
  for (int i = 0; i < count; ++i) {
    const Random draws(static_cast<std::uint64_t>(i), hash_name("texts"));
    const auto label = static_cast<std::int32_t>(draws.below(0, kClasses));
    std::vector<std::int32_t> text{2 + label};
    for (std::uint32_t k = 0; k < draws.below(1, 12); ++k) text.push_back(static_cast<std::int32_t>(6 + draws.below(2 + k, kWords - 6)));
    set.add(text, label);
  }
  return set;
}

struct Learner {
  ParamStore params;
  MeanOfEmbeddings net;
  Adam optimizer;
  Tape tape;

  explicit Learner(Form form, Dtype dtype = Dtype::f64)
      : params(Device{}, 7, dtype), net(Scope(params, form), kWords, kClasses, {.dim = 16, .dropout = 0.3}), optimizer(params) {}

  double step(const Batch& b, std::int64_t at) {
    tape.reset(at, Mode::train);
    const Var loss = cross_entropy(net(tape.input(b.x)), b.targets).mean();
    optimizer.step(tape.backward(loss), 0.01);
    return by_float(loss.dtype(), [&](auto zero) { return static_cast<double>(*loss.value().data<decltype(zero)>()); });
  }
};

}  // namespace

TEST_CASE("sparse equals native for 200 steps with dropout and word dropout: loss and every gradient") {
  const TextSet set = drawn_texts(400);
  TextLoader loader(set, {.batch = 20, .steps = 9, .word_dropout = 0.3, .last = LastBatch::drop});
  Learner sparse(Form::sparse), native(Form::native);
  native.params.load(sparse.params.state());
  double first = 0, last = 0;
  std::int64_t step = 0;
  for (std::int64_t epoch = 0; epoch < 10; ++epoch) {
    loader.begin(epoch);
    for (Batch batch; loader.next(batch); ++step) {
      last = sparse.step(batch, step);
      if (step == 0) first = last;
      CHECK(std::abs(native.step(batch, step) - last) <= 1e-10);
      for (const ParamPtr& p : sparse.params.parameters()) {
        const std::vector<double> a = doubles(p->field_grad()), b = doubles(native.params.find(p->name)->field_grad());
        double gap = 0, size = 0;
        for (std::size_t i = 0; i < a.size(); ++i) gap = std::hypot(gap, a[i] - b[i]), size = std::hypot(size, a[i]);
        CHECK(gap <= 1e-8 * std::max(size, 0.01));
      }
    }
  }
  CHECK(step == 200);
  CHECK(last < 0.8 * first);
}

TEST_CASE("texts are told apart by a word, whatever the form, the order and the words behind the limit") {
  const TextSet train = drawn_texts(600), test = drawn_texts(200);
  for (const Form form : {Form::sparse, Form::native, Form::untied}) {
    Learner learner(form, Dtype::f32);
    TextLoader loader(train, {.batch = 32, .steps = 9, .word_dropout = 0.1});
    std::int64_t step = 0;
    for (std::int64_t epoch = 0; epoch < 15; ++epoch) {
      loader.begin(epoch);
      for (Batch batch; loader.next(batch); ++step) learner.step(batch, step);
    }
    TextLoader evaluation(test, TextLoaderOptions{.batch = 64, .steps = 9}.for_evaluation());
    evaluation.begin(0);
    std::int64_t correct = 0;
    for (Batch batch; evaluation.next(batch);) {
      learner.tape.reset(0, Mode::eval);
      correct += count_correct(learner.net(learner.tape.input(batch.x)).value(), batch.targets);
    }
    INFO(static_cast<int>(form));
    CHECK(correct > 190);
  }
}

TEST_CASE("the recipe's network on 10,000 rows has 918,404 parameters") {
  ParamStore params(Device{}, 7);
  const MeanOfEmbeddings net(Scope(params, Form::sparse), 14346, 4);
  CHECK(summary(net, {64, 1}, {.dtype = Dtype::i32}).total.parameters == 918404);
}
