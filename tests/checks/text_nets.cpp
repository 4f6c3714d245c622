// The networks of the text apps: their forms agree, and they learn from words alone.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
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
using checks::doubles, checks::normal_rows;

namespace {

constexpr int kWords = 40, kClasses = 4;

/// Texts of up to `longest` words, among them one that only texts of their class have.
TextSet drawn_texts(int count, int longest = 12) {
  TextSet set{.classes = kClasses, .labels = {}, .ids = {}};
  for (int i = 0; i < count; ++i) {
    const Random draws(static_cast<std::uint64_t>(i), hash_name("texts"));
    const auto label = static_cast<std::int32_t>(draws.below(0, kClasses));
    std::vector<std::int32_t> text{2 + label};
    for (std::uint32_t k = 0; k < draws.below(1, static_cast<std::uint32_t>(longest)); ++k)
      text.push_back(static_cast<std::int32_t>(6 + draws.below(2 + k, kWords - 6)));
    set.add(text, label);
  }
  return set;
}

RunOptions options(const std::string& model, int width, int steps) {
  return text_recipe({.dropout = 0.3, .model = model, .width = width, .steps = steps});
}

struct Learner {
  ParamStore params;
  TextNet net;
  Adam optimizer;
  Tape tape;

  Learner(const RunOptions& o, Form form, Dtype dtype = Dtype::f64)
      : params(Device{}, 7, dtype), net(Scope(params, form), kWords, kClasses, o), optimizer(params) {}

  double step(const Batch& b, std::int64_t at) {
    tape.reset(at, Mode::train);
    const Var loss = cross_entropy(net(tape.input(b.x)), b.targets).mean();
    optimizer.step(tape.backward(loss), 0.01);
    return by_float(loss.dtype(), [&](auto zero) { return static_cast<double>(*loss.value().data<decltype(zero)>()); });
  }
};

/// Trains both forms from the same values and demands equal losses and gradients. Returns the first and the last loss.
std::pair<double, double> check_equal(const RunOptions& o, const TextSet& set, int batch_size, std::int64_t steps) {
  TextLoader loader(set, {.batch = batch_size, .steps = o.steps, .word_dropout = 0.3, .last = LastBatch::drop});
  Learner sparse(o, Form::sparse), native(o, Form::native);
  native.params.load(sparse.params.state());
  std::pair<double, double> losses;
  std::int64_t step = 0;
  for (std::int64_t epoch = 0; step < steps; ++epoch) {
    loader.begin(epoch);
    for (Batch batch; step < steps && loader.next(batch); ++step) {
      losses.second = sparse.step(batch, step);
      if (step == 0) losses.first = losses.second;
      CHECK(std::abs(native.step(batch, step) - losses.second) <= 1e-10);
      for (const ParamPtr& p : sparse.params.parameters()) {
        const std::vector<double> a = doubles(p->field_grad()), b = doubles(native.params.find(p->name)->field_grad());
        double gap = 0, size = 0;
        for (std::size_t i = 0; i < a.size(); ++i) gap = std::hypot(gap, a[i] - b[i]), size = std::hypot(size, a[i]);
        INFO(o.model, " step ", step, " ", p->name);
        CHECK(gap <= 1e-8 * std::max(size, 0.01));
      }
    }
  }
  return losses;
}

/// Ids [T, 1, N] of texts, padded with `padding`.
Tensor together(const std::vector<std::vector<std::int32_t>>& texts, std::int32_t padding) {
  std::vector<std::int32_t> lengths, values;
  for (const auto& text : texts) lengths.push_back(static_cast<std::int32_t>(text.size()));
  const std::int64_t steps = *std::max_element(lengths.begin(), lengths.end());
  for (std::int64_t t = 0; t < steps; ++t)
    for (const auto& text : texts)
      values.push_back(t < static_cast<std::int64_t>(text.size()) ? text[static_cast<std::size_t>(t)] : padding);
  return pack_rows(values, {steps, 1}, sample_columns(lengths));
}

}  // namespace

TEST_CASE("sparse equals native for 200 steps with dropout, word dropout and texts of many lengths: loss and every gradient") {
  const TextSet set = drawn_texts(400);
  for (const char* model : {"mean", "gru", "cnn"}) {
    const std::pair<double, double> losses = check_equal(options(model, 8, 9), set, 20, 200);
    INFO(model, ": ", losses.first, " -> ", losses.second);
    CHECK(losses.second < 0.8 * losses.first);
  }
}

TEST_CASE("sparse equals native at the recipe's width and length") {
  const TextSet set = drawn_texts(60, 70);
  for (const char* model : {"mean", "gru", "cnn"}) check_equal(options(model, 64, 64), set, 20, 3);
}

TEST_CASE("the matrices of gru are strictly lower triangular, those of cnn lower triangular") {
  ParamStore params(Device{}, 7);
  for (const Form form : {Form::sparse, Form::untied}) {
    const Scope s = form == Form::sparse ? Scope(params, form) / "tied" : Scope(params, form) / "own";
    const GruOverWords recurrent(s / "gru", options("gru", 8, 9));
    for (const auto direction : {Recurrent::Direction::forward, Recurrent::Direction::reverse})
      CHECK(recurrent.gru.pattern(0, direction)->is_strictly_lower_triangular());
    for (const Conv1d& conv : ConvOverWords(s / "cnn", options("cnn", 8, 9)).convs) CHECK(conv.pattern()->is_lower_triangular());
  }
}

TEST_CASE("a text's logits do not depend on those beside it, nor on what pads it") {
  const std::vector<std::vector<std::int32_t>> texts{{5, 6}, {7}, {8, 9, 10, 11, 12, 13, 14}, {15, 16, 17, 18, 19, 20, 21, 22, 23}};
  for (const char* model : {"mean", "gru", "cnn"})
    for (const Form form : {Form::sparse, Form::native, Form::untied}) {
      Learner learner(options(model, 8, 9), form);
      const auto logits = [&](const Tensor& ids) {
        learner.tape.reset(0, Mode::eval);
        return unpack_rows<double>(learner.net(learner.tape.input(ids)).value());
      };
      const std::vector<double> all = logits(together(texts, 0)), other = logits(together(texts, 30));
      INFO(model, " ", static_cast<int>(form));
      CHECK(all == other);
      for (std::size_t n = 0; n < texts.size(); ++n) {
        const std::vector<double> alone = logits(together({texts[n]}, 0));
        for (std::size_t k = 0; k < kClasses; ++k) CHECK(std::abs(alone[k] - all[k * texts.size() + n]) < 1e-12);
      }
    }
}

TEST_CASE("texts are told apart by a word, whatever the form, the order and the words behind the limit") {
  const TextSet train = drawn_texts(600), test = drawn_texts(200);
  for (const char* model : {"mean", "gru", "cnn"})
    for (const Form form : {Form::sparse, Form::native, Form::untied}) {
      Learner learner(options(model, 16, 9), form, Dtype::f32);
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
      INFO(model, " ", static_cast<int>(form));
      CHECK(correct > 190);
    }
}

TEST_CASE("of each unit and channel the largest value over the words of a text is handed on") {
  const std::vector<std::int32_t> lengths{5, 2, 3};
  const Tensor x = normal_rows({5, 8}, sample_columns(lengths), 1);
  ParamStore params(Device{}, 7, Dtype::f64);
  const Scope s(params, Form::sparse);
  const GruOverWords recurrent(s / "gru", options("gru", 8, 9));
  const ConvOverWords convolved(s / "cnn", options("cnn", 8, 9));
  const auto largest = [&](const std::vector<double>& over_time, std::size_t rows) {
    std::vector<double> most;
    for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t n = 0; n < lengths.size(); ++n) {
        most.push_back(over_time[row * lengths.size() + n]);
        for (std::size_t t = 1; t < static_cast<std::size_t>(lengths[n]); ++t)
          most.back() = std::max(most.back(), over_time[(t * rows + row) * lengths.size() + n]);
      }
    return most;
  };
  Tape tape(Mode::eval);
  CHECK(doubles(recurrent(tape.input(x)).value()) == largest(doubles(recurrent.gru(tape.input(x)).value()), 16));
  std::vector<double> channels;
  for (const Conv1d& conv : convolved.convs) {
    const std::vector<double> own = largest(doubles(relu(conv(tape.input(x))).value()), 8);
    channels.insert(channels.end(), own.begin(), own.end());
  }
  CHECK(doubles(convolved(tape.input(x)).value()) == channels);
}

TEST_CASE("the recipes' networks on 10,000 rows have the parameters that their layers add up to") {
  const auto parameters = [](const char* model) {
    ParamStore params(Device{}, 7);
    const TextNet net(Scope(params, Form::sparse), 14346, 4, options(model, 64, 64));
    return summary(net, {64, 1}, {.dtype = Dtype::i32}).total.parameters;
  };
  CHECK(parameters("mean") == 918404);
  CHECK(parameters("gru") == 14346 * 64 + 2 * (3 * 64 * (64 + 64) + 2 * 3 * 64) + 4 * 129);
  CHECK(parameters("cnn") == 14346 * 64 + 64 * 64 * (3 + 4 + 5) + 3 * 64 + 4 * 193);
  CHECK_THROWS_WITH_AS(parameters("lstm"), doctest::Contains("choose of mean, gru, cnn"), ConfigError);
}
