// The networks of the image apps: their matrices are triangular, their forms agree, and they train pruned and untied.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/apps/models/image_nets.hpp>
#include <weft/apps/models/mnist_cnn.hpp>
#include <weft/autograd/tape.hpp>
#include <weft/core/random.hpp>
#include <weft/layers/layer_call.hpp>
#include <weft/layers/optim/sgd.hpp>
#include <weft/tests/oracle/oracle.hpp>

using namespace weft;

namespace {

struct Batch {
  Tensor images, labels;
};

/// Noisy pictures of `classes` kinds.
Batch batch(Lattice in, std::int64_t n, int classes, Dtype dtype, std::uint64_t step) {
  const ColumnsPtr columns = sample_columns(n);
  const Random kinds(1, hash_name("kinds"));
  std::vector<double> values = oracle::random_values(in.size() * n, 100 + step);
  std::vector<std::int32_t> labels(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    const auto k = static_cast<std::uint64_t>((i + static_cast<std::int64_t>(step)) % classes);
    labels[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(k);
    for (std::int64_t r = 0; r < in.size(); ++r)
      values[static_cast<std::size_t>(r * n + i)] +=
          kinds.normal(k * static_cast<std::uint64_t>(in.size()) + static_cast<std::uint64_t>(r));
  }
  return {cast(pack_rows(values, in.shape(), columns), dtype), pack_rows(labels, {1}, columns)};
}

struct Learner {
  ParamStore params;
  Sequential net;
  Sgd optimizer;
  Tape tape;

  Learner(const RunOptions& o, Lattice in, Form form, Dtype dtype, int classes = 10)
      : params(Device{}, 7, dtype),
        net(image_net(Scope(params, form), {.lattice = in, .classes = classes, .size = 0, .pixels = {}, .labels = {}}, o)),
        optimizer(params, {.momentum = 0.9, .weight_decay = 5e-4, .nesterov = true}) {}

  double step(const Batch& b, std::int64_t at, double lr) {
    tape.reset(at, Mode::train);
    const Var loss = cross_entropy(net(tape.input(b.images)), b.labels, {.label_smoothing = 0.1}).mean();
    const Gradients gradients = tape.backward(loss);
    optimizer.step(gradients, lr);
    return by_float(loss.dtype(), [&](auto zero) { return static_cast<double>(*loss.value().data<decltype(zero)>()); });
  }
};

std::vector<double> doubles(const Tensor& t) {
  return by_float(t.dtype(), [&](auto zero) {
    const auto* first = t.data<decltype(zero)>();
    return std::vector<double>(first, first + t.element_count());
  });
}

/// How far the two forms are apart, and how far training came.
struct Agreement {
  double loss = 0;      ///< the largest difference of their losses
  double gradient = 0;  ///< the largest difference of a parameter's gradients, of its norm; of 0.01 where that is less
  double first = 0, last = 0;
};

/// The largest difference of gradients that both forms' last step left, in the fields' own order.
double gradient_difference(const ParamStore& sparse, const ParamStore& native) {
  double worst = 0;
  for (const ParamPtr& p : sparse.parameters()) {
    const std::vector<double> a = doubles(p->field_grad()), c = doubles(native.find(p->name)->field_grad());
    double gap = 0, size = 0;
    for (std::size_t i = 0; i < a.size(); ++i) gap = std::hypot(gap, a[i] - c[i]), size = std::hypot(size, a[i]);
    worst = std::max(worst, gap / std::max(size, 0.01));
  }
  return worst;
}

/// A network trained in both forms from the same parameters.
struct FormCase {
  std::string model;
  int width;
  Lattice in;
  int classes;
};
Agreement train_both(const FormCase& c, std::int64_t n, int steps) {
  RunOptions o;
  o.model = c.model, o.width = c.width;
  Learner sparse(o, c.in, Form::sparse, Dtype::f64, c.classes), native(o, c.in, Form::native, Dtype::f64, c.classes);
  native.params.load(sparse.params.state());
  Agreement found;
  for (int step = 0; step < steps; ++step) {
    const Batch b = batch(c.in, n, c.classes, Dtype::f64, static_cast<std::uint64_t>(step));
    found.last = sparse.step(b, step, 0.02);
    if (step == 0) found.first = found.last;
    found.loss = std::max(found.loss, std::abs(native.step(b, step, 0.02) - found.last));
    found.gradient = std::max(found.gradient, gradient_difference(sparse.params, native.params));
  }
  return found;
}

RunOptions options(const std::string& model, int width, double density = 1) {
  RunOptions o;
  o.model = model;
  o.width = width;
  o.density = density;
  return o;
}

std::int64_t parameters(const ParamStore& params) {
  std::int64_t count = 0;
  for (const ParamPtr& p : params.parameters()) count += p->field_value().element_count();
  return count;
}

/// The convolutions that a network calls, each of which must be upper triangular.
int triangular_convolutions(const std::function<Var(Var)>& net, Lattice in) {
  int convolutions = 0;
  const LayerCall::Listening listening([&](const LayerInfo& info, const Shape&) {
    if (info.kind != "conv2d") return;
    ++convolutions;
    INFO(info.path);
    CHECK(info.pattern->is_upper_triangular());
  });
  Tape tape(Mode::eval);
  const Tensor x = Tensor::tiled(Dtype::f32, in.shape(), sample_columns(1));
  x.fill(0);
  net(tape.input(x)).value();
  return convolutions;
}

const std::vector<std::string> kModels{"resnet9", "resnet12", "vgg9", "vgg12"};

}  // namespace

TEST_CASE("every convolution is upper triangular, also behind a stem with stride") {
  for (const std::string& model : kModels)
    for (const int side : {32, 64}) {
      ParamStore params(Device{}, 7);
      const Lattice in{side, side, 3};
      const Sequential net =
          image_net(Scope(params, Form::sparse), {.lattice = in, .classes = 20, .size = 0, .pixels = {}, .labels = {}}, options(model, 16));
      INFO(model);
      CHECK(triangular_convolutions(net, in) == (model.find("12") == std::string::npos ? 8 : 10));
    }
}

TEST_CASE("MNIST's network has upper triangular convolutions too") {
  ParamStore params(Device{}, 7);
  const MnistCnn net(Scope(params, Form::sparse), {28, 28, 1});
  CHECK(triangular_convolutions([&net](Var x) { return net(x); }, {28, 28, 1}) == 2);
}

TEST_CASE("resnet9 has the size of the recipe") {
  ParamStore params(Device{}, 7);
  const Sequential net = image_net(Scope(params, Form::sparse),
                                   {.lattice = {32, 32, 3}, .classes = 10, .size = 0, .pixels = {}, .labels = {}}, options("resnet9", 16));
  CHECK(parameters(params) == 412'954);
}

TEST_CASE("without a width the budget chooses it") {
  for (const auto& [budget, count] : std::vector<std::pair<double, std::int64_t>>{{0, 927'010}, {3, 412'954}, {8, 927'010}}) {
    ParamStore params(Device{}, 7);
    RunOptions o = options("resnet9", 0);
    o.budget = budget;
    image_net(Scope(params, Form::sparse), {.lattice = {32, 32, 3}, .classes = 10, .size = 0, .pixels = {}, .labels = {}}, o);
    CHECK(parameters(params) == count);
  }
}

TEST_CASE("untied, the default networks stay below 45 million parameters") {
  for (const auto& c : std::vector<std::tuple<std::string, Lattice, int>>{
           {"resnet9", {32, 32, 3}, 10}, {"resnet12", {32, 32, 3}, 100}, {"resnet12", {64, 64, 3}, 200}}) {
    ParamStore params(Device{}, 7);
    RunOptions o = options(std::get<0>(c), 0);
    o.form = "untied";
    image_net(Scope(params, Form::untied), {.lattice = std::get<1>(c), .classes = std::get<2>(c), .size = 0, .pixels = {}, .labels = {}},
              o);
    INFO(std::get<0>(c));
    CHECK(parameters(params) < 45'000'000);
    CHECK(parameters(params) > 20'000'000);
  }
}

TEST_CASE("sparse equals native at real widths for 3 steps: loss and every gradient") {
  for (const FormCase& c :
       {FormCase{"resnet9", 24, {32, 32, 3}, 10}, FormCase{"resnet12", 24, {32, 32, 3}, 100}, FormCase{"resnet12", 16, {64, 64, 3}, 20},
        FormCase{"vgg9", 24, {32, 32, 3}, 10}, FormCase{"vgg12", 24, {32, 32, 3}, 100}}) {
    INFO(c.model, ", ", c.classes, " classes");
    const Agreement found = train_both(c, 8, 3);
    CHECK(found.loss <= 1e-10);
    CHECK(found.gradient <= 1e-8);
  }
}

TEST_CASE("sparse equals native at width 4 for 200 steps: loss and every gradient") {
  for (const FormCase& c :
       {FormCase{"resnet9", 4, {32, 32, 3}, 10}, FormCase{"resnet12", 4, {32, 32, 3}, 100}, FormCase{"resnet12", 4, {64, 64, 3}, 20},
        FormCase{"vgg9", 4, {32, 32, 3}, 10}, FormCase{"vgg12", 4, {32, 32, 3}, 100}}) {
    INFO(c.model, ", ", c.classes, " classes");
    const Agreement found = train_both(c, 16, 200);
    MESSAGE(c.model, ", ", c.classes, " classes: losses ", found.first, " -> ", found.last, ", apart by ", found.loss, ", gradients by ",
            found.gradient);
    CHECK(found.loss <= 1e-10);
    CHECK(found.gradient <= 1e-8);
    CHECK(found.last < 0.9 * found.first);
  }
}

TEST_CASE("every default width can be pruned") {
  for (const int width : {16, 24})
    for (const std::string& model : kModels) {
      ParamStore params(Device{}, 7);
      image_net(Scope(params, Form::sparse), {.lattice = {32, 32, 3}, .classes = 10, .size = 0, .pixels = {}, .labels = {}},
                options(model, width, 0.25));
      ParamStore whole(Device{}, 7);
      image_net(Scope(whole, Form::sparse), {.lattice = {32, 32, 3}, .classes = 10, .size = 0, .pixels = {}, .labels = {}},
                options(model, width));
      const double kept = static_cast<double>(parameters(params)) / static_cast<double>(parameters(whole));
      INFO(model);
      CHECK(kept > 0.24);
      CHECK(kept < 0.28);
    }
}

TEST_CASE("pruned and untied networks train") {
  for (const Form form : {Form::sparse, Form::untied})
    for (const double density : {1.0, 0.25}) {
      if (form == Form::untied && density < 1) continue;
      Learner learner(options("resnet9", 16, density), {16, 16, 3}, form, Dtype::f32);
      double first = 0, last = 0;
      for (int step = 0; step < 50; ++step) {
        last = learner.step(batch({16, 16, 3}, 16, 10, Dtype::f32, static_cast<std::uint64_t>(step)), step, 0.02);
        if (step == 0) first = last;
      }
      INFO(static_cast<int>(form), " ", density, ": ", first, " -> ", last);
      CHECK(last < 0.8 * first);
    }
}

TEST_CASE("an unknown model and an image that is not square are refused") {
  ParamStore params(Device{}, 7);
  const Scope s(params, Form::sparse);
  const auto build = [&](const std::string& model, Lattice in) {
    image_net(s / model, {.lattice = in, .classes = 10, .size = 0, .pixels = {}, .labels = {}}, options(model, 16));
  };
  CHECK_THROWS_WITH_AS(build("resnet10", {32, 32, 3}), doctest::Contains("choose resnet9"), ConfigError);
  CHECK_THROWS_WITH_AS(build("resnet9", {32, 40, 3}), doctest::Contains("must be square"), ShapeError);
}
