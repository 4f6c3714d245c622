// Every layer in every form: gradients, equality of forms, learning, shapes, errors, summary.
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/autograd/ops.hpp>
#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/layers/check_layer.hpp>
#include <weft/layers/compose.hpp>
#include <weft/layers/conv.hpp>
#include <weft/layers/dropout.hpp>
#include <weft/layers/embedding.hpp>
#include <weft/layers/linear.hpp>
#include <weft/layers/norm.hpp>
#include <weft/layers/optim/adam.hpp>
#include <weft/layers/pool.hpp>
#include <weft/layers/reversible_norm.hpp>
#include <weft/layers/summary.hpp>
#include <weft/tests/checks/drawn.hpp>
#include <weft/tests/oracle/oracle.hpp>

using namespace weft;
using checks::doubles, checks::normal_rows;

namespace {

/// What an embedding gives for ids of 4 steps, added to x: ids have no gradient.
struct Lookup {
  Embedding table;
  explicit Lookup(Embedding embedding) : table(std::move(embedding)) {}
  Var operator()(Var x) const {
    std::vector<std::int32_t> ids;
    for (std::int64_t t = 0; t < 4; ++t)
      for (std::int64_t n = 0; n < x.columns()->count; ++n) ids.push_back(static_cast<std::int32_t>((2 * t + n * n) % table.vocabulary()));
    return x + table(x.tape().input(pack_rows(ids, {4, 1}, x.columns())));
  }
};

/// A lookup, and a softmax that multiplies by the same table.
struct TiedSoftmax {
  Lookup lookup;
  Linear logits;
  TiedSoftmax(const Scope& s, std::int64_t vocabulary)
      : lookup(Embedding(s / "table", vocabulary, 3)), logits(s / "softmax", lookup.table.table(), {.bias = vocabulary != 1500}) {}
  Var operator()(Var x) const { return x | lookup | tanh | logits; }
};

/// A linear forecast of the next steps of each window, between the halves of a norm.
struct Forecast {
  ReversibleNorm norm;
  Linear linear;
  Forecast(const Scope& s, Centring centring)
      : norm(s / "norm", {.centring = centring, .time = TimeAxis::last}), linear(s / "linear", 5, 3) {}
  Var operator()(Var x) const {
    const ReversibleNorm::Window window = norm(x);
    return norm.undo(window.x | linear, window);
  }
};

/// A layer under test, type-erased.
struct LayerCase {
  std::string name;
  Shape rows;
  std::function<CheckedLayer(const Scope&)> build;
  bool has_native = true;
};

template <class Make>
LayerCase layer_case(std::string name, Shape rows, Make make, bool has_native = true) {
  return {std::move(name), rows,
          [make](const Scope& s) {
            auto layer = make(s);
            CheckedLayer checked;
            checked.call = [layer](Var x) { return layer(x); };
            if constexpr (requires { layer.to_dense(); }) checked.to_dense = [layer] { return layer.to_dense(); };
            return checked;
          },
          has_native};
}

std::vector<LayerCase> convolution_cases() {
  const auto conv2d = [](const char* name, Lattice in, int c_out, ConvOptions options) {
    return layer_case(
        name, in.shape(), [=](const Scope& s) { return Conv2d(s, in, c_out, options); }, options.density == 1);
  };
  const auto transposed = [](const char* name, Lattice in, int c_out, ConvTransposeOptions options) {
    return layer_case(
        name, in.shape(), [=](const Scope& s) { return ConvTranspose2d(s, in, c_out, options); }, options.density == 1);
  };
  const auto conv1d = [](const char* name, int length, int c_in, int c_out, SeriesConvOptions options) {
    return layer_case(
        name, {length, c_in}, [=](const Scope& s) { return Conv1d(s, length, c_in, c_out, options); }, options.density == 1);
  };
  return {
      conv1d("conv over time", 7, 3, 5, {.pad = 1}),
      conv1d("conv over time strided, dilated, in groups", 9, 4, 6, {.kernel = 2, .stride = 2, .dilation = 3, .groups = 2, .bias = false}),
      conv1d("causal conv", 6, 2, 4, {.kernel = 3, .dilation = 2, .causal = true}),
      conv1d("causal depthwise conv", 6, 3, 3, {.kernel = 2, .groups = 3, .causal = true}),
      conv1d("sparse conv over time", 6, 8, 8, {.pad = 1, .density = 0.4, .block = 4}),
      conv2d("conv 3x3", {5, 4, 3}, 5, {}),
      conv2d("conv padded, strided", {7, 6, 2}, 3, {.kernel = 3, .stride = 2, .pad = 1}),
      conv2d("conv dilated without bias", {7, 7, 2}, 3, {.kernel = 3, .dilation = 2, .bias = false}),
      conv2d("conv in groups", {5, 5, 4}, 6, {.kernel = 2, .groups = 2}),
      conv2d("depthwise conv", {5, 5, 4}, 4, {.kernel = 3, .pad = 1, .groups = 4}),
      conv2d("depthwise conv with multiplier", {4, 4, 3}, 6, {.kernel = 3, .pad = 1, .groups = 3}),
      conv2d("conv 1 -> 1", {4, 4, 1}, 1, {.kernel = 2}),
      conv2d("conv 33 channels", {3, 3, 1}, 33, {.kernel = 3, .pad = 1}),
      conv2d("sparse conv", {4, 4, 8}, 8, {.kernel = 3, .pad = 1, .density = 0.4, .block = 4}),
      transposed("transposed conv", {3, 4, 3}, 2, {.kernel = 3}),
      transposed("transposed conv strided", {3, 3, 4}, 2, {.kernel = 3, .stride = 2, .pad = 1, .groups = 2, .output_pad = 1}),
      transposed("transposed depthwise conv", {3, 3, 3}, 3, {.kernel = 2, .stride = 2, .groups = 3, .bias = false}),
      transposed("sparse transposed conv", {3, 3, 8}, 4, {.kernel = 2, .density = 0.5, .block = 4}),
  };
}

std::vector<LayerCase> other_cases() {
  const auto masked = patterns::from_rows(
      7, 9,
      [](std::int64_t i) {
        return std::vector<std::int32_t>{static_cast<std::int32_t>(i), 8};
      },
      4);
  const auto linear = [](std::int64_t in, std::int64_t out, LinearOptions options) {
    return [=](const Scope& s) { return Linear(s, in, out, options); };
  };
  return {
      layer_case("linear", {5}, linear(5, 3, {})),
      layer_case("linear 40 -> 33 without bias", {40}, linear(40, 33, {.bias = false})),
      layer_case("linear on 3 leading rows", {3, 10}, linear(10, 37, {})),
      layer_case("sparse linear", {32}, linear(32, 24, {.density = 0.3, .block = 8}), false),
      layer_case("sparse linear, ragged", {21}, linear(21, 10, {.density = 0.5, .block = 8}), false),
      layer_case(
          "linear on a masked pattern", {9}, [masked](const Scope& s) { return Linear(s, masked); }, false),
      layer_case(
          "linear on a tied pattern", {8}, [](const Scope& s) { return Linear(s, patterns::repeat_diagonal(patterns::dense(3, 4), 2)); },
          false),
      layer_case("average pool", {6, 5, 3},
                 [](const Scope& s) {
                   return AvgPool2d(s, {6, 5, 3}, {.kernel = 2});
                 }),
      layer_case("average pool overlapping", {5, 5, 2},
                 [](const Scope& s) {
                   return AvgPool2d(s, {5, 5, 2}, {.kernel = 3, .stride = 2, .pad = 1});
                 }),
      layer_case("max pool", {6, 6, 3},
                 [](const Scope& s) {
                   return MaxPool2d(s, {6, 6, 3}, {.kernel = 2});
                 }),
      layer_case("max pool overlapping", {5, 5, 2},
                 [](const Scope& s) {
                   return MaxPool2d(s, {5, 5, 2}, {.kernel = 3, .stride = 2, .pad = 1});
                 }),
      layer_case("global pool", {3, 3, 4},
                 [](const Scope& s) {
                   return GlobalPool(s, {3, 3, 4});
                 }),
      layer_case("global pool of a row", {1, 5, 2},
                 [](const Scope& s) {
                   return GlobalPool(s, {1, 5, 2});
                 }),
      layer_case("mean over time", {5, 3}, [](const Scope& s) { return GlobalPool1d(s); }),
      layer_case("maximum over time", {5, 3}, [](const Scope& s) { return GlobalPool1d(s, Pooling::max); }),
      layer_case("forecast of a centred window", {2, 5}, [](const Scope& s) { return Forecast(s, Centring::mean); }),
      layer_case("forecast from the last value", {2, 5}, [](const Scope& s) { return Forecast(s, Centring::last); }),
      layer_case("forecast of a normalised window", {2, 5}, [](const Scope& s) { return Forecast(s, Centring::deviation); }),
      layer_case("batch norm", {4, 3, 2},
                 [](const Scope& s) {
                   return BatchNorm(s, {4, 3, 2});
                 }),
      layer_case("embedding", {4, 3}, [](const Scope& s) { return Lookup(Embedding(s, 33, 3)); }),
      layer_case(
          "embedding on a sparse matrix", {4, 8},
          [](const Scope& s) { return Lookup(Embedding(s, patterns::random_blocks(24, 8, 4, 0.5, 3))); }, false),
      layer_case(
          "embedding on a tied matrix", {4, 8},
          [](const Scope& s) { return Lookup(Embedding(s, patterns::repeat_diagonal(patterns::dense(5, 4), 2))); }, false),
      layer_case("tied softmax", {4, 3}, [](const Scope& s) { return TiedSoftmax(s, 23); }),
      layer_case("tied softmax of two blocks", {4, 3}, [](const Scope& s) { return TiedSoftmax(s, 1500); }),
      layer_case("layer norm", {3, 6}, [](const Scope& s) { return LayerNorm(s, 6); }),
      layer_case("dropout", {12}, [](const Scope& s) { return Dropout(s, 0.4); }),
      layer_case("residual", {6}, [](const Scope& s) { return Residual(Linear(s / "inner", 6, 6)); }),
      layer_case("sequential", {6},
                 [](const Scope& s) {
                   return Sequential{Linear(s / "a", 6, 8), tanh, Sequential{Linear(s / "b", 8, 8), gelu}, Linear(s / "c", 8, 3)};
                 }),
  };
}

std::vector<LayerCase> all_cases() {
  std::vector<LayerCase> cases = convolution_cases();
  for (LayerCase& c : other_cases()) cases.push_back(std::move(c));
  return cases;
}

std::vector<Form> forms_of(const LayerCase& c) {
  return c.has_native ? std::vector<Form>{Form::sparse, Form::native, Form::untied} : std::vector<Form>{Form::sparse, Form::untied};
}

Tensor random_rows(const Shape& rows, std::int64_t n, std::uint64_t stream) {
  const Random random(5, stream);
  std::vector<double> values(static_cast<std::size_t>(rows.size() * n));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = random.normal(i);
  return pack_rows(values, rows, sample_columns(n));
}

std::vector<double> output_of(const LayerCase& c, Form form) {
  ParamStore params(Device{}, 3, Dtype::f64);
  const CheckedLayer layer = c.build(Scope(params, form) / "layer");
  Tape tape(Mode::eval);
  return unpack_rows<double>(layer.call(tape.input(random_rows(c.rows, 9, 1))).value());
}

}  // namespace

TEST_CASE("every layer passes check_layer in every form") {
  for (const LayerCase& c : all_cases())
    for (const Form form : forms_of(c)) {
      const CheckLayerResult result = check_built_layer(c.build, c.rows, {.form = form, .gradcheck = {.most = 40}});
      INFO(c.name, "\n", result.report);
      CHECK(result.passed);
    }
}

TEST_CASE("check_layer finds a wrong gradient, a wrong matrix and names the number of columns") {
  struct Crooked {
    Linear linear;
    explicit Crooked(const Scope& s) : linear(s / "linear", 4, 4) {}
    Var operator()(Var x) const {
      const Var y = linear(x);
      return y.tape().record("crooked", y.value().clone(), {y}, [](const Tensor& dy, GradSink& grads) {
        Tensor g = dy.clone();
        g.data<double>()[0] *= 1.01;
        grads.add(0, g);
      });
    }
  };
  const CheckLayerResult gradient = check_layer<Crooked>({4}, {.columns = {9}});
  CHECK_FALSE(gradient.passed);
  CHECK(gradient.report.find("FAILED sparse, N = 9: gradients") != std::string::npos);

  struct Misstated {
    Linear linear;
    explicit Misstated(const Scope& s) : linear(s / "linear", 4, 4) {}
    Var operator()(Var x) const { return linear(x); }
    std::vector<double> to_dense() const {
      std::vector<double> s = linear.to_dense();
      s[5] += 1e-6;
      return s;
    }
  };
  const CheckLayerResult matrix = check_layer<Misstated>({4});
  CHECK_FALSE(matrix.passed);
  CHECK(matrix.report.find("to_dense()") != std::string::npos);
}

TEST_CASE("all forms start as the same function") {
  for (const LayerCase& c : all_cases()) {
    const std::vector<double> sparse = output_of(c, Form::sparse);
    for (const Form form : forms_of(c)) {
      const std::vector<double> other = output_of(c, form);
      REQUIRE(other.size() == sparse.size());
      for (std::size_t i = 0; i < other.size(); ++i) {
        INFO(c.name, ", ", std::string(name_of(form)), ", output ", i);
        CHECK(other[i] == doctest::Approx(sparse[i]).epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("a small net with each layer learns in every form") {
  for (const LayerCase& c : all_cases())
    for (const Form form : forms_of(c)) {
      ParamStore params(Device{}, 3, Dtype::f32);
      const Scope s(params, form);
      const CheckedLayer layer = c.build(s / "layer");
      Tape tape(Mode::eval);
      const Tensor x = cast(random_rows(c.rows, 20, 1), Dtype::f32), target = cast(random_rows({3}, 20, 2), Dtype::f32);
      const Linear head(s / "head", layer.call(tape.input(x)).rows().size(), 3);
      Adam adam(params);
      double first = 0, last = 0;
      for (int step = 0; step < 50; ++step) {
        tape.reset(step, Mode::train);
        const Var loss = mse(tape.input(x) | layer.call | tanh | flatten | head, target).mean();
        last = loss.value().data<float>()[0];
        if (step == 0) first = last;
        adam.step(tape.backward(loss), 0.02);
      }
      INFO(c.name, ", ", std::string(name_of(form)), ": loss ", first, " -> ", last);
      CHECK(last < 0.9 * first);
    }
}

TEST_CASE("weights are drawn as PyTorch draws them, and equal names draw equal numbers") {
  ParamStore a(Device{}, 1), b(Device{}, 1), c(Device{}, 2);
  const Conv2d conv(Scope(a) / "c", {6, 6, 8}, 16, {.kernel = 3, .groups = 2});
  const Tensor weight = conv.weight()->field_value();
  CHECK(weight.rows() == Shape{16, 4, 3, 3});
  const double bound = 1 / std::sqrt(36.0);
  double largest = 0, sum = 0;
  for (std::int64_t i = 0; i < weight.row_count(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(weight.data<float>()[i])));
    sum += weight.data<float>()[i];
  }
  CHECK(largest <= bound);
  CHECK(largest > 0.98 * bound);
  CHECK(std::abs(sum / 576) < 4 * bound / std::sqrt(3.0 * 576));
  const Conv2d same(Scope(b, Form::native) / "c", {6, 6, 8}, 16, {.kernel = 3, .groups = 2});
  const Conv2d other(Scope(c) / "c", {6, 6, 8}, 16, {.kernel = 3, .groups = 2});
  CHECK(unpack_rows<float>(same.weight()->field_value()) == unpack_rows<float>(weight));
  CHECK(unpack_rows<float>(other.weight()->field_value()) != unpack_rows<float>(weight));
  const Linear sparse(Scope(a) / "sparse", 64, 64, {.density = 0.25});
  for (const float w : unpack_rows<float>(sparse.weight()->field_value())) REQUIRE(std::abs(w) <= 1 / std::sqrt(16.0) + 1e-6);
}

TEST_CASE("initialisers have the stated moments") {
  const Random draws(9, 9);
  const auto moments = [&](const Initialiser& init) {
    double sum = 0, square = 0, most = 0;
    for (const double w : init(draws, {20000}, {.in = 50, .out = 150})) sum += w, square += w * w, most = std::max(most, std::abs(w));
    return std::vector<double>{sum / 20000, std::sqrt(square / 20000), most};
  };
  CHECK(moments(initialise::kaiming_uniform(0))[1] == doctest::Approx(std::sqrt(2.0 / 50)).epsilon(0.02));
  CHECK(moments(initialise::kaiming_uniform(0))[2] <= std::sqrt(6.0 / 50));
  CHECK(moments(initialise::kaiming_normal(0))[1] == doctest::Approx(std::sqrt(2.0 / 50)).epsilon(0.02));
  CHECK(moments(initialise::xavier_uniform(1))[2] <= std::sqrt(6.0 / 200));
  CHECK(moments(initialise::xavier_uniform(2))[1] == doctest::Approx(2 * std::sqrt(2.0 / 200)).epsilon(0.02));
  CHECK(moments(initialise::xavier_normal(1))[1] == doctest::Approx(std::sqrt(2.0 / 200)).epsilon(0.02));
  CHECK(moments(initialise::normal(0.3))[1] == doctest::Approx(0.3).epsilon(0.02));
  CHECK(moments(initialise::truncated_normal(0.02))[2] <= 0.04);
  CHECK(moments(initialise::truncated_normal(0.02))[1] == doctest::Approx(0.02 * 0.8796).epsilon(0.02));
  CHECK(std::abs(moments(initialise::truncated_normal(0.02))[0]) < 0.001);
  CHECK(moments(initialise::uniform(0.1))[2] <= 0.1);
  CHECK(moments(initialise::uniform(0.1))[1] == doctest::Approx(0.1 / std::sqrt(3.0)).epsilon(0.02));
  CHECK(moments(initialise::constant(0.5))[0] == doctest::Approx(0.5));
}

TEST_CASE("orthogonal weights have orthogonal rows or columns, and the same ones each time") {
  const Random draws(9, 9);
  for (const Shape& field : {Shape{7, 7}, {40, 12}, {12, 40}, {130, 130}, {1, 5}, {5, 1}, {1, 1}, {8, 4, 3, 3}, {64, 2, 3, 3}}) {
    INFO(field.str());
    const std::vector<double> w = initialise::orthogonal(1.5)(draws, field, {});
    CHECK(w == initialise::orthogonal(1.5)(draws, field, {}));
    const std::int64_t rows = field[0], cols = field.size() / rows, few = std::min(rows, cols), many = std::max(rows, cols);
    const auto entry = [&](std::int64_t i, std::int64_t j) {
      return w[static_cast<std::size_t>(rows >= cols ? j * cols + i : i * cols + j)];
    };
    double worst = 0;
    for (std::int64_t a = 0; a < few; ++a)
      for (std::int64_t b = 0; b < few; ++b) {
        double product = 0;
        for (std::int64_t j = 0; j < many; ++j) product += entry(a, j) * entry(b, j);
        worst = std::max(worst, std::abs(product - (a == b ? 1.5 * 1.5 : 0)));
      }
    CHECK(worst < 1e-12);
  }
  // Uniform: the first column of Q is the first drawn one, scaled; without the signs of R it would point either way.
  const std::vector<double> w = initialise::orthogonal(1)(draws, {6, 6}, {});
  double norm = 0;
  for (std::uint64_t i = 0; i < 6; ++i) norm = std::hypot(norm, draws.normal(6 * i));
  for (std::uint64_t i = 0; i < 6; ++i) CHECK(w[6 * i] == doctest::Approx(draws.normal(6 * i) / norm));
  double trace = 0;  // of a uniform rotation or reflection: mean 0, variance 1
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const std::vector<double> q = initialise::orthogonal(1)(Random(seed, 1), {3, 3}, {});
    trace += (q[0] + q[4] + q[8]) / 2000;
  }
  CHECK(std::abs(trace) < 0.1);

  ParamStore params;
  const Linear layer(Scope(params) / "fc", 20, 30, {.init = initialise::orthogonal(1)});
  CHECK(layer.to_dense().size() == 600);
  CHECK_THROWS_WITH_AS(Linear(Scope(params) / "thin", 64, 64, {.density = 0.25, .init = initialise::orthogonal(1)}),
                       doctest::Contains("take density 1"), ShapeError);
}

TEST_CASE("batch norm's running statistics move in training and serve in evaluation") {
  ParamStore params(Device{}, 1, Dtype::f64);
  const BatchNorm norm(Scope(params) / "n", 2);
  Tape tape(Mode::train);
  const Tensor x = random_rows({4, 2}, 9, 3);
  norm(tape.input(x)).value();
  const std::vector<double> mean = unpack_rows<double>(norm.running().mean);
  CHECK(mean[0] != 0);
  tape.reset(1, Mode::eval);
  norm(tape.input(x)).value();
  CHECK(unpack_rows<double>(norm.running().mean) == mean);
  CHECK(params.state()[2].first == "n.running_mean");
}

TEST_CASE("an embedding is saved as torch saves it, and a tied softmax adds no matrix") {
  ParamStore params(Device{}, 1, Dtype::f64);
  const Embedding words(Scope(params) / "words", 50, 6);
  const Linear softmax(Scope(params) / "softmax", words.table());
  const State state = params.state();
  REQUIRE(state.size() == 2);
  CHECK(state[0].first == "words.weight");
  CHECK(state[0].second.rows() == Shape{50, 6});
  CHECK(state[1].first == "softmax.bias");
  CHECK(softmax.weight() == words.weight());
  Tape tape(Mode::eval);
  const std::vector<double> y =
      unpack_rows<double>(words(tape.input(pack_rows(std::vector<std::int32_t>{49, 0}, {1}, sample_columns(2)))).value());
  for (std::int64_t k = 0; k < 6; ++k) {
    CHECK(y[static_cast<std::size_t>(2 * k)] == state[0].second.data<double>()[49 * 6 + k]);
    CHECK(y[static_cast<std::size_t>(2 * k + 1)] == state[0].second.data<double>()[k]);
  }
  const Summary table = summary([&](Var ids) { return ids | words | softmax; }, {3, 1}, {.dtype = Dtype::i32});
  CHECK(table.total.parameters == 50 * 6 + 50);
}

TEST_CASE("a tied matrix takes the gradients of both its uses") {
  for (const Form form : {Form::sparse, Form::native}) {
    ParamStore tied(Device{}, 1, Dtype::f64), apart(Device{}, 1, Dtype::f64);
    const Embedding shared(Scope(tied, form) / "words", 50, 6), words(Scope(apart, form) / "words", 50, 6);
    const Linear tied_softmax(Scope(tied, form) / "softmax", shared.table()), softmax(Scope(apart, form) / "softmax", 6, 50);
    const State from = tied.state();
    apart.load({{"words.weight", from[0].second}, {"softmax.weight", from[0].second}, {"softmax.bias", from[1].second}});
    const ColumnsPtr columns = sample_columns(20);
    std::vector<std::int32_t> ids;
    for (int i = 0; i < 60; ++i) ids.push_back(i * i % 50);
    const Tensor steps = pack_rows(ids, {3, 1}, columns);
    const auto run = [&](const Embedding& table, const Linear& head) {
      Tape tape;
      const Var x = tape.input(steps) | table | tanh;
      tape.backward(head.cross_entropy(x, steps).sum + cross_entropy(head(x), steps).sum);
    };
    run(shared, tied_softmax);
    run(words, softmax);
    const std::vector<double> both = unpack_rows<double>(shared.weight()->field_grad()),
                              lookup = unpack_rows<double>(words.weight()->field_grad()),
                              product = unpack_rows<double>(softmax.weight()->field_grad());
    for (std::size_t i = 0; i < both.size(); ++i) CHECK(both[i] == doctest::Approx(lookup[i] + product[i]).epsilon(1e-12));
  }
}

TEST_CASE("an embedding refuses ids that are none, in every form") {
  for (const Form form : {Form::sparse, Form::native}) {
    ParamStore params;
    const Embedding words(Scope(params, form) / "words", 50, 6);
    Tape tape(Mode::eval);
    const auto ids = [&](std::int32_t id) { return tape.input(pack_rows(std::vector<std::int32_t>{3, id, 4}, {1}, sample_columns(3))); };
    CHECK_THROWS_WITH_AS(words(ids(50)), doctest::Contains("id 50 at row 0, column 1"), UsageError);
    CHECK_THROWS_WITH_AS(words(ids(-1)), doctest::Contains("id -1"), UsageError);
    CHECK_THROWS_WITH_AS(words(tape.input(cast(random_rows({1}, 3, 1), Dtype::f32))), doctest::Contains("not i32"), UsageError);
    CHECK_THROWS_WITH_AS(words(tape.input(pack_rows(std::vector<std::int32_t>{3, 1, 4}, {3}, sample_columns(1)))),
                         doctest::Contains("axis of 1"), ShapeError);
    CHECK_THROWS_AS(Embedding(Scope(params, form) / "none", 0, 6), ShapeError);
  }
}

TEST_CASE("a pool over time reads the steps of each column's length") {
  for (const Lanes lanes : {Lanes::one, Lanes::sixteen}) {
    const ColumnsPtr columns = sample_columns(std::vector<std::int32_t>{2, 0, 5, 1}, lanes);
    // x[t, c, n] = (-1)^t·(t + 1) + 10·c + 100·n
    std::vector<double> values;
    for (int t = 0; t < 4; ++t)
      for (int c = 0; c < 2; ++c)
        for (int n = 0; n < 4; ++n) values.push_back((t % 2 == 0 ? t + 1 : -t - 1) + 10 * c + 100 * n);
    ParamStore params;
    Tape tape;
    const Var x = tape.leaf(pack_rows(values, {4, 2}, columns));
    const Var mean = GlobalPool1d(Scope(params) / "mean")(x), most = GlobalPool1d(Scope(params) / "max", Pooling::max)(x);
    CHECK(unpack_rows<double>(mean.value()) == std::vector<double>{-0.5, 0, 199.5, 301, 9.5, 0, 209.5, 311});
    CHECK(unpack_rows<double>(most.value()) == std::vector<double>{1, 0, 203, 301, 11, 0, 213, 311});
    CHECK(unpack_rows<double>(last_step(x, TimeAxis::first).value()) == std::vector<double>{-2, 0, 196, 301, 8, 0, 206, 311});
    const std::vector<double> g = unpack_rows<double>(tape.backward(sum(mean) + sum(most)).of(x));
    const double half[] = {1.5, 0, 0.25, 2, 0.5, 0, 0.25, 0, 0, 0, 1.25, 0, 0, 0, 0.25, 0};  // [t, n], the same for both channels
    for (int t = 0; t < 4; ++t)
      for (int c = 0; c < 2; ++c)
        for (int n = 0; n < 4; ++n) CHECK(g[static_cast<std::size_t>((t * 2 + c) * 4 + n)] == half[t * 4 + n]);
  }
}

TEST_CASE("a causal convolution takes the leading part of its matrix for a shorter series") {
  constexpr std::int64_t kLong = 9, kShort = 5, kColumns = 3;
  const Tensor x = normal_rows({kLong, 4}, sample_columns(kColumns), 1);
  for (const Form form : {Form::sparse, Form::native, Form::untied})
    for (const SeriesConvOptions& o :
         {SeriesConvOptions{.kernel = 3, .causal = true}, SeriesConvOptions{.kernel = 2, .stride = 2, .groups = 2, .causal = true},
          SeriesConvOptions{.kernel = 7, .causal = true, .bias = false}}) {
      ParamStore params(Device{}, 3, Dtype::f64);
      const Conv1d conv(Scope(params, form), kLong, 4, 6, o);
      Tape tape(Mode::train);
      const auto of = [&](bool cut) {  // the sum of the squares of the outputs that only look at the first steps
        tape.reset(0, Mode::train);
        const Var whole = tape.input(x), y = conv(cut ? slice(whole, 0, kShort) : whole);
        const Var first = slice(y, 0, (kShort - 1) / o.stride + 1), loss = sum(first * first);
        tape.backward(loss);
        return std::pair{doubles(first.value()), doubles(conv.weight()->field_grad())};
      };
      const auto all = of(false), part = of(true);
      CAPTURE(static_cast<int>(form));
      CAPTURE(conv.pattern()->name());
      CHECK(part.first.size() == static_cast<std::size_t>(((kShort - 1) / o.stride + 1) * 6 * kColumns));
      CHECK(oracle::max_difference(all.first, part.first) < 1e-12);
      CHECK(oracle::max_difference(all.second, part.second) < 1e-12);
      CHECK_THROWS_WITH_AS(conv(tape.input(normal_rows({kLong + 1, 4}, sample_columns(kColumns), 1))), doctest::Contains("X has rows"),
                           ShapeError);
    }
  ParamStore params(Device{}, 3, Dtype::f64);
  const Conv1d open(Scope(params), kLong, 4, 6, {.pad = 1});
  Tape tape(Mode::train);
  CHECK_THROWS_AS(open(slice(tape.input(x), 0, kShort)), ShapeError);
}

TEST_CASE("a reversible norm takes level and scale from a window and gives them back") {
  ParamStore params;
  for (const TimeAxis time : {TimeAxis::first, TimeAxis::last}) {
    const Shape rows = time == TimeAxis::first ? Shape{50, 3} : Shape{3, 50};
    Tape tape;
    const Var x = tape.input(random_rows(rows, 9, 1)) * 7.0 + 40.0;
    for (const Centring centring : {Centring::mean, Centring::last, Centring::deviation}) {
      const ReversibleNorm norm(Scope(params), {.centring = centring, .time = time});
      const ReversibleNorm::Window window = norm(x);
      const std::vector<double> before = unpack_rows<double>(x.value()), after = unpack_rows<double>(norm.undo(window.x, window).value());
      for (std::size_t i = 0; i < before.size(); ++i) CHECK(after[i] == doctest::Approx(before[i]).epsilon(1e-12));
      if (centring == Centring::last) {
        for (const double v : unpack_rows<double>(last_step(window.x, time).value())) CHECK(v == 0);
        continue;
      }
      for (const double v : unpack_rows<double>(mean_steps(window.x, time).value())) CHECK(std::abs(v) < 1e-13);
      const std::vector<double> variance = unpack_rows<double>(mean_steps(window.x * window.x, time).value());
      for (const double v : variance) CHECK((centring == Centring::deviation ? std::abs(v - 1) < 1e-5 : v > 10));
    }
  }
  CHECK_THROWS_WITH_AS(ReversibleNorm(Scope(params), {.eps = 0}), doctest::Contains("eps is 0"), UsageError);
  Tape tape;
  CHECK_THROWS_WITH_AS(ReversibleNorm(Scope(params))(tape.input(random_rows({5}, 3, 1))), doctest::Contains("reshape a single series"),
                       ShapeError);
}

TEST_CASE("layers refuse what does not fit, with their path and both sides") {
  ParamStore params;
  const Scope s(params);
  const Conv2d c2(s / "body" / "c2", {14, 14, 32}, 64);
  Tape tape(Mode::eval);
  const auto rows = [&](const Shape& shape) {
    Tensor x = Tensor::tiled(Dtype::f32, shape, sample_columns(2));
    x.fill(0);
    return tape.input(x);
  };
  CHECK_THROWS_WITH_AS(c2(rows({7, 7, 64})), doctest::Contains("conv2d 'body/c2'"), ShapeError);
  CHECK_THROWS_WITH_AS(c2(rows({7, 7, 64})), doctest::Contains("7x7x64"), ShapeError);
  const Linear head(s / "head", 10, 3);
  CHECK_THROWS_WITH_AS(head(rows({2, 5})), doctest::Contains("linear 'head'"), ShapeError);
  CHECK_THROWS_AS(LayerNorm(s / "norm", 4)(rows({5})), ShapeError);
  CHECK_THROWS_AS(AvgPool2d(s / "p", {4, 4, 2})(rows({4, 4, 3})), ShapeError);
  CHECK_THROWS_AS(Dropout(s / "d", 1.0), ConfigError);
  CHECK_THROWS_AS(Linear(s / "none", 0, 3), ShapeError);
  CHECK_THROWS_AS(Linear(Scope(params, Form::native) / "sparse", 32, 32, {.density = 0.5}), ConfigError);
  CHECK_THROWS_AS(parse_form("sprase"), ConfigError);
  CHECK_THROWS_WITH_AS(parse_form("sprase"), doctest::Contains("sparse?"), ConfigError);
  CHECK(parse_form("untied") == Form::untied);
}

TEST_CASE("summary counts blocks, parameters and FLOPs") {
  struct Cnn {
    Conv2d c1;
    AvgPool2d p1;
    Conv2d c2;
    AvgPool2d p2;
    Linear head;
    explicit Cnn(const Scope& s)
        : c1(s / "c1", {28, 28, 1}, 32, {.kernel = 3}),
          p1(s / "p1", c1.out(), {.kernel = 2}),
          c2(s / "c2", p1.out(), 64, {.kernel = 3}),
          p2(s / "p2", c2.out(), {.kernel = 2}),
          head(s / "head", p2.out().size(), 10) {}
    Var operator()(Var x) const { return x | c1 | relu | p1 | c2 | relu | p2 | flatten | head; }
  };
  ParamStore params;
  const Cnn net{Scope(params)};
  const Summary table = summary(net, {28, 28, 1});
  REQUIRE(table.lines.size() == 5);
  CHECK(table.lines[0].path == "c1");
  CHECK(table.lines[0].out == Shape{26, 26, 32});
  CHECK(table.lines[0].blocks == 26 * 26 * 9);
  CHECK(table.lines[0].nnz == 26 * 26 * 9 * 32);
  CHECK(table.lines[0].parameters == 320);
  CHECK(table.lines[2].parameters == 9 * 32 * 64 + 64);
  CHECK(table.lines[2].flops == std::int64_t{2} * 11 * 11 * 9 * 32 * 64);
  CHECK(table.lines[4].dense_fraction == 1);
  CHECK(table.total.parameters == params.parameter_count());
  CHECK(table.total.parameters == 34826);
  CHECK(table.str().find("conv2d 28x28x1 -> 26x26x32, k=3") != std::string::npos);
  CHECK(table.str().find("34,826") != std::string::npos);

  const Linear shared(Scope(params) / "shared", 8, 8);
  const Summary twice = summary([&](Var x) { return x | shared | shared; }, {3, 8});
  CHECK(twice.lines.at(0).nnz == 3 * 64);
  CHECK(twice.lines.at(1).parameters == 0);
  CHECK(twice.total.parameters == 72);
}
