// The parameter store: names, arenas, and states in the field's shapes.
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/autograd/ops.hpp>
#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/layers/conv.hpp>
#include <weft/layers/linear.hpp>
#include <weft/layers/norm.hpp>
#include <weft/layers/pattern_state.hpp>

using namespace weft;

namespace {

std::vector<std::string> names_of(const State& state) {
  std::vector<std::string> names;
  for (const auto& [name, value] : state) names.push_back(name);
  return names;
}

const Tensor& at(const State& state, const std::string& name) {
  for (const auto& [key, value] : state)
    if (key == name) return value;
  FAIL("no array ", name);
  return state[0].second;
}

/// The plain value 0, 1, 2, … of a shape.
Tensor counting(Shape shape) {
  Tensor t = Tensor::plain(Dtype::f32, shape);
  for (std::int64_t i = 0; i < t.row_count(); ++i) t.data<float>()[i] = static_cast<float>(i);
  return t;
}

std::string message_of(ParamStore& params, const State& state) {
  try {
    params.load(state);
  } catch (const UsageError& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("names are paths, unique, and nest") {
  ParamStore params;
  const Scope s(params, Form::untied);
  CHECK((s / "body" / "c1").path() == "body/c1");
  CHECK((s / "body").form() == Form::untied);
  const Linear layer(s / "body" / "fc", 4, 3);
  CHECK(params.find("body/fc/weight") == layer.weight());
  CHECK(params.find("body/fc") == nullptr);
  CHECK_THROWS_WITH_AS(Linear(s / "body" / "fc", 4, 3), doctest::Contains("body.fc.weight"), UsageError);
  CHECK_THROWS_AS(s / "a.b", UsageError);
  CHECK_THROWS_AS(s / "", UsageError);
  CHECK_THROWS_AS(ParamStore(Device{}, 1, Dtype::i32), UsageError);
  Parameter wrong{.name = "w", .value = Tensor::plain(Dtype::f64, {3}), .shape = {3}};
  CHECK_THROWS_AS(params.add(wrong), UsageError);
  const Linear copy = layer;
  CHECK(copy.weight() == layer.weight());
  CHECK(params.parameter_count() == 15);
  layer.bias()->trainable = false;
  CHECK(params.parameter_count() == 12);
}

TEST_CASE("states have PyTorch's names and shapes") {
  ParamStore params;
  const Scope s(params);
  const Linear fc(s / "fc", 20, 33);
  const Conv2d conv(s / "conv", {6, 6, 4}, 6, {.kernel = 3, .groups = 2});
  const ConvTranspose2d up(s / "up", {3, 3, 4}, 6, {.kernel = 2, .groups = 2});
  const BatchNorm norm(s / "norm", 6);
  const State state = params.state();
  CHECK(names_of(state) == std::vector<std::string>{"fc.weight", "fc.bias", "conv.weight", "conv.bias", "up.weight", "up.bias",
                                                    "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"});
  CHECK(at(state, "fc.weight").rows() == Shape{33, 20});
  CHECK(at(state, "conv.weight").rows() == Shape{6, 2, 3, 3});
  CHECK(at(state, "up.weight").rows() == Shape{4, 3, 2, 2});
}

TEST_CASE("a weight of the field lies where the matrix says, in every form") {
  // y[p, o] = Σ w[o, i, t]·x[p + t, i] for a convolution; the transposed one scatters w[i, o, t]·x[p, i] to p·stride + t.
  for (const Form form : {Form::sparse, Form::native}) {
    ParamStore params;
    const Scope s(params, form);
    const Linear fc(s / "fc", 5, 3);
    const Conv2d conv(s / "conv", {3, 3, 4}, 6, {.kernel = 2, .groups = 2, .bias = false});
    const ConvTranspose2d up(s / "up", {2, 2, 4}, 6, {.kernel = 2, .stride = 2, .groups = 2, .bias = false});
    params.load({{"fc.weight", counting({3, 5})},
                 {"fc.bias", counting({3})},
                 {"conv.weight", counting({6, 2, 2, 2})},
                 {"up.weight", counting({4, 3, 2, 2})}});
    CHECK(unpack_rows<float>(at(params.state(), "conv.weight")) == unpack_rows<float>(counting({6, 2, 2, 2})));
    const std::vector<double> w = fc.to_dense(), c = conv.to_dense(), t = up.to_dense();
    for (std::size_t i = 0; i < 15; ++i) CHECK(w[i] == static_cast<double>(i));
    // output pixel (1, 0), channel 4 (group 1) reads input pixel (2, 1), channel 3 (second of group 1) through tap (1, 1)
    CHECK(c[((1 * 2 + 0) * 6 + 4) * 36 + (2 * 3 + 1) * 4 + 3] == ((4 * 2 + 1) * 2 + 1) * 2 + 1);
    CHECK(c[((1 * 2 + 0) * 6 + 4) * 36 + (2 * 3 + 1) * 4 + 1] == 0);
    // input pixel (1, 0), channel 2 (group 1) writes output pixel (1·2 + 0, 0·2 + 1), channel 5 (third of group 1) through tap (0, 1)
    CHECK(t[((2 * 4 + 1) * 6 + 5) * 16 + (1 * 2 + 0) * 4 + 2] == ((2 * 3 + 2) * 2 + 0) * 2 + 1);
    CHECK(t[((2 * 4 + 1) * 6 + 2) * 16 + (1 * 2 + 0) * 4 + 2] == 0);
  }
}

TEST_CASE("loading is strict and lists everything that is wrong at once") {
  ParamStore params;
  const Linear layer(Scope(params) / "fc", 4, 3);
  const Linear sparse(Scope(params) / "sparse", 32, 32, {.bias = false, .density = 0.5});
  const State good = params.state();
  CHECK(message_of(params, good).empty());

  State bad = good;
  bad[0].second = counting({4, 3});
  bad.erase(bad.begin() + 1);
  bad.emplace_back("other", counting({1}));
  bad.emplace_back("fc.weight", counting({3, 4}));
  for (auto& [name, value] : bad)
    if (name == "sparse.col") {
      value = value.clone();
      value.data<std::int32_t>()[0] ^= 1;
    } else if (name == "sparse.row_ptr") {
      value = counting({3});
    }
  const std::string text = message_of(params, bad);
  for (const char* part : {"fc.weight: has shape 4x3, the model has 3x4", "fc.bias: missing", "other: unexpected", "fc.weight: given twice",
                           "sparse.col: describes another pattern", "sparse.row_ptr: holds f32, the model has i32"}) {
    INFO(part);
    CHECK(text.find(part) != std::string::npos);
  }
  CHECK(unpack_rows<float>(params.state()[0].second) == unpack_rows<float>(good[0].second));
}

TEST_CASE("a state survives a round trip between dtypes and forms of one shape") {
  ParamStore f32(Device{}, 1), f64(Device{}, 2, Dtype::f64);
  const auto build = [](const Scope& s) { return Conv2d(s / "c", {5, 5, 3}, 20, {.kernel = 3}); };
  const Conv2d a = build(Scope(f32)), b = build(Scope(f64, Form::native));
  f64.load(f32.state());
  const Tensor wide = b.weight()->field_value();
  CHECK(unpack_rows<float>(cast(wide, Dtype::f32)) == unpack_rows<float>(a.weight()->field_value()));
  f32.load(f64.state());
  CHECK(unpack_rows<float>(cast(wide, Dtype::f32)) == unpack_rows<float>(a.weight()->field_value()));
  CHECK(a.to_dense() == b.to_dense());
}

TEST_CASE("a sparse layer is rebuilt from its state alone") {
  const auto masked = patterns::from_rows(
      10, 9, [](std::int64_t i) { return std::vector<std::int32_t>{static_cast<std::int32_t>(i % 9)}; }, 4);
  for (const PatternPtr& pattern : {patterns::random_blocks(40, 33, 8, 0.4, 1), patterns::repeat_diagonal(patterns::dense(3, 4), 3), masked,
                                    patterns::conv2d({4, 4, 3}, 3, {.kernel = 2, .groups = 3})}) {
    ParamStore first(Device{}, 1), second(Device{}, 2);
    const Linear saved(Scope(first) / "a", pattern);
    const State state = first.state();
    const PatternPtr again = pattern_from_state(state, "a");
    CHECK(again->col().size() == pattern->col().size());
    CHECK(again->parameter_count() == pattern->parameter_count());
    const Linear loaded(Scope(second) / "a", again);
    second.load(state);
    INFO(pattern->name());
    CHECK(loaded.to_dense() == saved.to_dense());
  }
  CHECK_THROWS_WITH_AS(pattern_from_state({}, "x"), doctest::Contains("x.shape"), UsageError);
  CHECK_THROWS_AS(pattern_from_state({{"x.shape", counting({6})}}, "x"), UsageError);
}

TEST_CASE("an untied convolution saves every block") {
  ParamStore params;
  const Conv2d conv(Scope(params, Form::untied) / "c", {4, 4, 2}, 3, {.kernel = 3, .pad = 1});
  CHECK_FALSE(conv.pattern()->tied());
  CHECK(at(params.state(), "c.values").rows() == Shape{conv.pattern()->blocks(), 3, 2});
  CHECK(params.parameter_count() == conv.pattern()->blocks() * 6 + 3);
}

TEST_CASE("seal moves values and gradients into arenas and keeps them") {
  ParamStore params;
  const Scope s(params);
  const Linear a(s / "a", 5, 3), b(s / "b", 7, 33);
  const State before = params.state();
  a.weight()->grad.fill(2);
  CHECK_FALSE(params.sealed());
  params.seal();
  CHECK(params.sealed());
  CHECK(params.generation() == 1);
  for (std::size_t i = 0; i < params.parameters().size(); ++i) {
    const Parameter& p = *params.parameters()[i];
    CHECK(reinterpret_cast<std::uintptr_t>(p.value.bytes()) % 64 == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(p.grad.bytes()) % 64 == 0);
    CHECK(p.value.bytes() == params.value_arena().bytes() + params.offset(i) * 4);
    CHECK(p.grad.bytes() - params.gradient_arena().bytes() == p.value.bytes() - params.value_arena().bytes());
  }
  CHECK(a.weight()->grad.data<float>()[0] == 2);
  for (std::size_t i = 0; i < before.size(); ++i)
    CHECK(unpack_rows<float>(before[i].second) == unpack_rows<float>(params.state()[i].second));
  params.seal();
  CHECK(params.generation() == 1);
  const Linear c(s / "c", 2, 2);
  CHECK_FALSE(params.sealed());
  params.seal();
  CHECK(params.generation() == 2);
  CHECK(a.weight()->grad.data<float>()[0] == 2);
  params.zero_gradients();
  CHECK(a.weight()->grad.data<float>()[0] == 0);
}
