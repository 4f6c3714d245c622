// The language model: its links by name, its forms, and what it writes.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/apps/models/language_net.hpp>
#include <weft/autograd/tape.hpp>
#include <weft/layers/optim/adam.hpp>

using namespace weft;

namespace {

constexpr std::int64_t kWords = 12, kSteps = 6, kStreams = 17;

RunOptions small(const std::string& pattern) {
  RunOptions o = language_recipe({.dropout = 0.2});
  o.width = 8, o.layers = 2, o.steps = static_cast<int>(kSteps), o.pattern = pattern;
  return o;
}

/// Ids that count up from another word in each stream and batch.
Tensor ids(std::int64_t first) {
  std::vector<std::int32_t> values;
  for (std::int64_t t = 0; t < kSteps; ++t)
    for (std::int64_t n = 0; n < kStreams; ++n) values.push_back(static_cast<std::int32_t>((first + t + 3 * n) % kWords));
  return pack_rows(values, {kSteps, 1}, sample_columns(kStreams));
}

struct Learner {
  ParamStore params;
  LanguageNet net;
  AdamW optimizer;
  Tape tape;
  Carried carried;

  Learner(const std::string& pattern, Form form, Dtype dtype = Dtype::f64)
      : params(Device{}, 5, dtype), net(Scope(params, form), kWords, small(pattern)), optimizer(params) {}

  double step(std::int64_t at) {
    tape.reset(at, Mode::train);
    const Loss loss = net.loss(net(tape.input(ids(at * kSteps)), carried), ids(at * kSteps + 1));
    const Var mean = loss.mean();
    const double value = by_float(mean.dtype(), [&](auto zero) { return static_cast<double>(*mean.value().data<decltype(zero)>()); });
    const Gradients gradients = tape.backward(mean);
    optimizer.step(gradients, 1e-2);
    return value;
  }
};

}  // namespace

TEST_CASE("links have names") {
  CHECK(links_of("lower_bidiagonal", 5)->blocks() == 5);
  CHECK(links_of("dilated(2)", 5)->cols() == 7);
  CHECK(links_of("skip(3)", 5)->blocks() == 10);
  for (const char* name : {"lower", "dilated", "dilated(1)", "skip(3", "skip(3)x", "skip(03)", "tree(2)"})
    CHECK_THROWS_WITH_AS(links_of(name, 5), doctest::Contains("choose lower_bidiagonal"), ConfigError);
  for (const char* name : {"lower_bidiagonal", "dilated(2)", "skip(3)"}) {
    const Learner learner(name, Form::sparse);
    for (int layer = 0; layer < 2; ++layer) CHECK(learner.net.lstm().pattern(layer)->is_strictly_lower_triangular());
  }
}

TEST_CASE("sparse equals native for 200 steps, with dropout and carried state, and both learn") {
  for (const std::string pattern : {"lower_bidiagonal", "skip(2)"}) {
    Learner sparse(pattern, Form::sparse), native(pattern, Form::native);
    native.params.load(sparse.params.state());
    double worst = 0, first = 0, last = 0;
    for (int step = 0; step < 200; ++step) {
      last = sparse.step(step);
      if (step == 0) first = last;
      worst = std::max(worst, std::abs(native.step(step) - last));
    }
    INFO(pattern, ": ", first, " -> ", last, ", apart by ", worst);
    CHECK(worst <= 1e-10);
    CHECK(last < 0.8 * first);
    CHECK(sparse.carried.size() == 4);
  }
}

TEST_CASE("untied weights learn too, a set for each of at most sixteen steps") {
  Learner learner("lower_bidiagonal", Form::untied, Dtype::f32);
  double first = learner.step(0), last = 0;
  for (int step = 1; step < 50; ++step) last = learner.step(step);
  CHECK(last < 0.8 * first);
  RunOptions o = small("lower_bidiagonal");
  o.steps = 35, o.form = "untied";
  CHECK(stepped(o).steps == 16);
  o.form = "sparse";
  CHECK(stepped(o).steps == 35);
}

TEST_CASE("a trained network writes the words that it has learnt, the same ones from the same seed") {
  std::vector<std::string> words{kEndOfLine};
  for (std::int64_t i = 1; i < kWords; ++i) words.push_back("w" + std::to_string(i));
  const Vocabulary vocabulary(words);
  Learner learner("lower_bidiagonal", Form::sparse, Dtype::f32);
  for (int step = 0; step < 800; ++step) learner.step(step);
  const std::string text = written_by(learner.net, vocabulary, 24, 1);
  INFO(text);
  CHECK(text == written_by(learner.net, vocabulary, 24, 1));
  int following = 0;  // pairs of words that follow each other in what was learnt
  for (std::int64_t i = 1; i + 1 < kWords; ++i) {
    const std::string pair = cat("w", i, " w", i + 1);
    for (std::size_t at = text.find(pair); at != std::string::npos; at = text.find(pair, at + 1)) ++following;
  }
  CHECK(following >= 12);
}
