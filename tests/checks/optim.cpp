// Optimizers against scalar references in double, schedules, clipping, checkpoints of optimizer state.
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/autograd/ops.hpp>
#include <weft/core/error.hpp>
#include <weft/core/parallel.hpp>
#include <weft/layers/linear.hpp>
#include <weft/layers/optim/adam.hpp>
#include <weft/layers/optim/clip.hpp>
#include <weft/layers/optim/schedule.hpp>
#include <weft/layers/optim/sgd.hpp>

using namespace weft;

namespace {

std::vector<double> doubles(const Tensor& t) { return unpack_rows<double>(t.dtype() == Dtype::f64 ? t : cast(t, Dtype::f64)); }

/// A linear layer fitted to random targets, one gradient at a time.
class Problem {
 public:
  explicit Problem(Dtype dtype, std::int64_t in = 7, std::int64_t out = 5)
      : params_(Device{}, 4, dtype),
        layer_(Scope(params_) / "fc", in, out),
        tape_(Mode::train),
        x_(random(in, 1, dtype)),
        target_(random(out, 2, dtype)) {}

  ParamStore& params() { return params_; }
  const Linear& layer() const { return layer_; }
  Gradients gradients(std::int64_t step) {
    tape_.reset(step);
    return tape_.backward(mse(layer_(tape_.input(x_)), target_).mean());
  }

 private:
  static Tensor random(std::int64_t rows, std::uint64_t stream, Dtype dtype) {
    const Random draws(8, stream);
    std::vector<double> values(static_cast<std::size_t>(rows * 20));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = draws.normal(i);
    return cast(pack_rows(values, {rows}, sample_columns(20)), dtype);
  }

  ParamStore params_;
  Linear layer_;
  Tape tape_;
  Tensor x_, target_;
};

using Maker = std::function<std::unique_ptr<Optimizer>(ParamStore&)>;

/// One scalar's update: (theta, gradient, lr, decay applies, step from 1) with its own state.
struct Scalar {
  double theta = 0, a = 0, b = 0;
};
using Rule = std::function<void(Scalar& s, double g, double lr, bool decay, int t)>;

Rule sgd_rule(SgdOptions o) {
  return [o](Scalar& s, double g, double lr, bool decay, int t) {
    if (decay) g += o.weight_decay * s.theta;
    s.a = t == 1 ? g : o.momentum * s.a + g;
    s.theta -= lr * (o.nesterov ? g + o.momentum * s.a : s.a);
  };
}

Rule adam_rule(AdamOptions o, bool apart) {
  return [o, apart](Scalar& s, double g, double lr, bool decay, int t) {
    if (decay && apart) s.theta -= lr * o.weight_decay * s.theta;
    if (decay && !apart) g += o.weight_decay * s.theta;
    s.a = o.beta1 * s.a + (1 - o.beta1) * g;
    s.b = o.beta2 * s.b + (1 - o.beta2) * g * g;
    const double mean = s.a / (1 - std::pow(o.beta1, t)), square = s.b / (1 - std::pow(o.beta2, t));
    s.theta -= lr * mean / (std::sqrt(square) + o.eps);
  };
}

struct Case {
  const char* name;
  Maker make;
  Rule rule;
};

std::vector<Case> cases() {
  const auto sgd = [](const char* name, SgdOptions o) {
    return Case{name, [o](ParamStore& p) { return std::make_unique<Sgd>(p, o); }, sgd_rule(o)};
  };
  const AdamOptions plain{}, decayed{.beta1 = 0.8, .beta2 = 0.95, .eps = 1e-6, .weight_decay = 0.1};
  return {sgd("sgd", {.weight_decay = 0.1}),
          sgd("momentum", {.momentum = 0.9, .weight_decay = 0.05}),
          sgd("nesterov", {.momentum = 0.7, .nesterov = true}),
          {"adam", [plain](ParamStore& p) { return std::make_unique<Adam>(p, plain); }, adam_rule(plain, false)},
          {"adam with decay", [decayed](ParamStore& p) { return std::make_unique<Adam>(p, decayed); }, adam_rule(decayed, false)},
          {"adamw", [decayed](ParamStore& p) { return std::make_unique<AdamW>(p, decayed); }, adam_rule(decayed, true)}};
}

/// The largest difference from the reference after 20 steps, relative to the largest parameter.
double distance_after_20(const Case& c, Dtype dtype) {
  Problem problem(dtype);
  problem.layer().weight()->lr_scale = 0.5;
  const std::unique_ptr<Optimizer> optimizer = c.make(problem.params());
  std::vector<std::vector<Scalar>> reference;
  for (const ParamPtr& p : problem.params().parameters()) {
    reference.emplace_back();
    for (const double theta : doubles(p->field_value())) reference.back().push_back({.theta = theta});
  }
  for (int t = 1; t <= 20; ++t) {
    const Gradients gradients = problem.gradients(t);
    const double lr = 0.02 * t;
    for (std::size_t i = 0; i < reference.size(); ++i) {
      const Parameter& p = *problem.params().parameters()[i];
      const std::vector<double> g = doubles(p.field_grad());
      for (std::size_t k = 0; k < g.size(); ++k) c.rule(reference[i][k], g[k], lr * p.lr_scale, p.decay, t);
    }
    optimizer->step(gradients, lr);
  }
  CHECK(optimizer->steps() == 20);
  double worst = 0, largest = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const std::vector<double> theta = doubles(problem.params().parameters()[i]->field_value());
    for (std::size_t k = 0; k < theta.size(); ++k) {
      worst = std::max(worst, std::abs(theta[k] - reference[i][k].theta));
      largest = std::max(largest, std::abs(theta[k]));
    }
  }
  return worst / largest;
}

std::vector<float> bits(ParamStore& params) {
  std::vector<float> all;
  for (const auto& [name, value] : params.state())
    for (const float v : unpack_rows<float>(value)) all.push_back(v);
  return all;
}

}  // namespace

TEST_CASE("optimizers follow their scalar references over 20 steps") {
  for (const Case& c : cases()) {
    INFO(c.name);
    CHECK(distance_after_20(c, Dtype::f64) < 1e-12);
    CHECK(distance_after_20(c, Dtype::f32) < 1e-5);
  }
}

TEST_CASE("padding stays zero and frozen parameters stay put") {
  for (const Case& c : cases()) {
    Problem problem(Dtype::f32);
    const ParamPtr weight = problem.layer().weight(), bias = problem.layer().bias();
    bias->trainable = false;
    const std::vector<float> frozen = unpack_rows<float>(bias->value);
    const std::unique_ptr<Optimizer> optimizer = c.make(problem.params());
    for (int t = 1; t <= 3; ++t) optimizer->step(problem.gradients(t), 0.1);
    INFO(c.name);
    CHECK(unpack_rows<float>(bias->value) == frozen);
    CHECK(weight->value.row_count() > 35);
    CHECK(unpack_rows<float>(weight->from_field(weight->field_value())) == unpack_rows<float>(weight->value));
  }
}

TEST_CASE("steps, norms and clipping have equal bits for any number of threads") {
  const int before = threads();
  std::vector<float> first;
  double first_norm = 0;
  for (const int team : {1, 2, 7}) {
    set_threads(team);
    Problem problem(Dtype::f32, 300, 200);  // several pieces
    AdamW adam(problem.params());
    double norm = 0;
    for (int t = 1; t <= 3; ++t) {
      const Gradients gradients = problem.gradients(t);
      norm = clip_gradients(problem.params(), gradients, 0.1);
      adam.step(gradients, 0.01);
    }
    if (team == 1) first = bits(problem.params()), first_norm = norm;
    CHECK(bits(problem.params()) == first);
    CHECK(norm == first_norm);
  }
  set_threads(before);
}

TEST_CASE("a saved optimizer continues in the same bits") {
  for (const Case& c : cases()) {
    Problem straight(Dtype::f32), resumed(Dtype::f32);
    const auto a = c.make(straight.params());
    for (int t = 0; t < 5; ++t) a->step(straight.gradients(t), 0.05);
    const auto b = c.make(resumed.params());
    resumed.params().load(straight.params().state());
    b->load(a->state());
    CHECK(b->steps() == 5);
    for (int t = 5; t < 9; ++t) {
      a->step(straight.gradients(t), 0.05);
      b->step(resumed.gradients(t), 0.05);
    }
    INFO(c.name);
    CHECK(bits(resumed.params()) == bits(straight.params()));
  }
}

TEST_CASE("loading optimizer state is strict") {
  Problem problem(Dtype::f32);
  Adam adam(problem.params());
  State state = adam.state();
  CHECK(state[0].first == "step");
  CHECK(state[1].first == "fc.weight.exp_avg");
  state.erase(state.begin() + 1);
  state.emplace_back("fc.weight.momentum", Tensor::plain(Dtype::f32, {3}));
  state[1].second = Tensor::plain(Dtype::f32, {3});
  std::string text;
  try {
    adam.load(state);
  } catch (const UsageError& error) {
    text = error.what();
  }
  CHECK(text.find("fc.weight.exp_avg: missing") != std::string::npos);
  CHECK(text.find("fc.weight.momentum: unexpected") != std::string::npos);
  CHECK(text.find("fc.weight.exp_avg_sq: has 3 values") != std::string::npos);
}

TEST_CASE("a parameter that joins later moves the arenas and keeps the state") {
  Problem plain(Dtype::f32), grown(Dtype::f32);
  Sgd a(plain.params(), {.momentum = 0.9}), b(grown.params(), {.momentum = 0.9});
  for (int t = 0; t < 6; ++t) {
    if (t == 3) Linear(Scope(grown.params()) / "extra", 3, 3);
    a.step(plain.gradients(t), 0.1);
    b.step(grown.gradients(t), 0.1);
  }
  CHECK(unpack_rows<float>(plain.layer().weight()->value) == unpack_rows<float>(grown.layer().weight()->value));
  CHECK(grown.params().generation() == 2);
}

TEST_CASE("schedules are pure functions of the step") {
  CHECK(schedules::constant(0.3)(7, 10) == 0.3);
  const Schedule step = schedules::step(1, 10, 0.5);
  CHECK(step(9, 100) == 1);
  CHECK(step(10, 100) == 0.5);
  CHECK(step(29, 100) == 0.25);
  const Schedule cosine = schedules::cosine(1, 4, 0.1);
  CHECK(cosine(0, 104) == doctest::Approx(0.2));
  CHECK(cosine(3, 104) == doctest::Approx(0.8));
  CHECK(cosine(4, 104) == doctest::Approx(1));
  CHECK(cosine(54, 104) == doctest::Approx(0.55));
  CHECK(cosine(104, 104) == doctest::Approx(0.1));
  CHECK(cosine(500, 104) == doctest::Approx(0.1));
  const Schedule line = schedules::linear_to_zero(2, 0);
  CHECK(line(0, 10) == 2);
  CHECK(line(5, 10) == doctest::Approx(1));
  CHECK(line(10, 10) == 0);
  CHECK(schedules::linear_to_zero(2, 3)(1, 10) == doctest::Approx(1));
  const Schedule triangle = schedules::triangle(2, 0.2);
  CHECK(triangle(0, 10) == doctest::Approx(0.5));
  CHECK(triangle(1, 10) == doctest::Approx(1.5));
  CHECK(triangle(5, 10) == doctest::Approx(1.125));
  CHECK(triangle(9, 10) == doctest::Approx(0.125));
  const Schedule cycle = schedules::one_cycle(1, 0.3);
  CHECK(cycle(0, 100000) == doctest::Approx(0.04).epsilon(1e-4));
  CHECK(cycle(14999, 100000) == doctest::Approx(0.52).epsilon(1e-4));
  CHECK(cycle(29999, 100000) == doctest::Approx(1).epsilon(1e-4));
  CHECK(cycle(64999, 100000) == doctest::Approx(0.5).epsilon(1e-4));
  CHECK(cycle(99999, 100000) == doctest::Approx(0).epsilon(1e-4));
  CHECK_THROWS_AS(schedules::triangle(1, 0), ConfigError);
  CHECK_THROWS_AS(schedules::one_cycle(1, 1), ConfigError);
  CHECK_THROWS_AS(schedules::step(1, 0, 0.5), ConfigError);
  CHECK_THROWS_AS(schedules::cosine(1, -1, 0), ConfigError);
}

TEST_CASE("clipping scales all gradients together and returns the norm before") {
  Problem problem(Dtype::f64);
  const Gradients gradients = problem.gradients(0);
  double square = 0;
  for (const ParamPtr& p : problem.params().parameters())
    for (const double g : doubles(p->field_grad())) square += g * g;
  const double norm = std::sqrt(square);
  CHECK(gradient_norm(problem.params(), gradients) == doctest::Approx(norm).epsilon(1e-12));
  const std::vector<double> before = doubles(problem.layer().weight()->grad);
  CHECK(clip_gradients(problem.params(), gradients, 2 * norm) == doctest::Approx(norm).epsilon(1e-12));
  CHECK(doubles(problem.layer().weight()->grad) == before);
  CHECK(clip_gradients(problem.params(), gradients, norm / 4) == doctest::Approx(norm).epsilon(1e-12));
  const std::vector<double> after = doubles(problem.layer().weight()->grad);
  for (std::size_t i = 0; i < after.size(); ++i) CHECK(after[i] == doctest::Approx(before[i] / 4).epsilon(1e-12));
  CHECK(gradient_norm(problem.params(), gradients) == doctest::Approx(norm / 4).epsilon(1e-12));
  CHECK_THROWS_AS(clip_gradients(problem.params(), gradients, 0), ConfigError);

  problem.layer().weight()->grad.data<double>()[0] = NAN;
  const double left_alone = problem.layer().bias()->grad.data<double>()[0];
  CHECK(std::isnan(clip_gradients(problem.params(), gradients, 1)));
  CHECK(problem.layer().bias()->grad.data<double>()[0] == left_alone);
}

TEST_CASE("optimizers refuse options out of range") {
  ParamStore params;
  CHECK_THROWS_AS(Sgd(params, {.nesterov = true}), ConfigError);
  CHECK_THROWS_AS(Sgd(params, {.momentum = 1}), ConfigError);
  CHECK_THROWS_AS(Adam(params, {.beta2 = 1}), ConfigError);
  CHECK_THROWS_AS(AdamW(params, {.weight_decay = -1}), ConfigError);
}
