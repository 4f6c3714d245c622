// The networks of the series apps: what they compute, that their forms agree, and the apps as a user meets them.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/apps/models/series_nets.hpp>
#include <weft/autograd/tape.hpp>
#include <weft/core/text.hpp>
#include <weft/data/program.hpp>
#include <weft/layers/layer_call.hpp>
#include <weft/layers/optim/adam.hpp>
#include <weft/tests/oracle/oracle.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

using namespace weft;
using oracle::ScratchFolder;

namespace {

constexpr int kColumns = 20;

const std::vector<std::string> kLinear{"linear", "nlinear", "revin", "dlinear"}, kHidden{"lstm", "gru", "cnn"};

/// The linear models see three series, the others one at a time.
std::int64_t series_of(const RunOptions& o) { return o.layers > 0 ? 1 : 3; }

RunOptions options_of(const std::string& model) {
  const bool hidden = std::find(kHidden.begin(), kHidden.end(), model) != kHidden.end();
  if (!hidden) return {.model = model, .look_back = 30, .horizon = 6};
  return {.dropout = 0.3, .model = model, .width = 10, .look_back = 3 * kPatch, .horizon = 6, .layers = 2};
}

Tensor windows(std::int64_t series, std::int64_t steps, std::int64_t n, std::uint64_t seed) {
  return pack_rows(oracle::random_values(series * steps * n, seed), {series, steps}, sample_columns(n));
}

/// A network trained by AdamW on a few windows from the app's initial values, in double.
struct Learner {
  RunOptions options;
  ParamStore params;
  SeriesNet net;
  AdamW optimizer;
  Tape tape;

  Learner(const RunOptions& o, Form form)
      : options(o), params(Device{}, 7, Dtype::f64), net(Scope(params, form), series_of(o), o), optimizer(params, {}) {}

  double step(std::int64_t at) {
    const std::int64_t series = series_of(options);
    tape.reset(at, Mode::train);
    const Var y = net(tape.input(windows(series, options.look_back, kColumns, 1)));
    const Var loss = mse(y, windows(series, options.horizon, kColumns, 2)).mean();
    const Gradients gradients = tape.backward(loss);
    optimizer.step(gradients, options.lr);
    return loss.value().data<double>()[0];
  }
};

/// The largest difference of gradients that both forms' last step left, of a parameter's norm or 0.01 where that is less.
double gradient_difference(const ParamStore& a, const ParamStore& b) {
  double worst = 0;
  for (const ParamPtr& p : a.parameters()) {
    const Tensor x = p->field_grad(), y = b.find(p->name)->field_grad();
    double gap = 0, size = 0;
    for (std::int64_t i = 0; i < x.element_count(); ++i) {
      gap = std::hypot(gap, x.data<double>()[i] - y.data<double>()[i]);
      size = std::hypot(size, x.data<double>()[i]);
    }
    worst = std::max(worst, gap / std::max(size, 0.01));
  }
  return worst;
}

/// The first and last loss of a training.
struct Course {
  double first = 0, last = 0;
};
/// Trains both forms from equal values and expects equal losses and gradients at each step.
Course train_both(const RunOptions& o, int steps) {
  Learner sparse(o, Form::sparse), native(o, Form::native);
  native.params.load(sparse.params.state());
  double loss = 0, gradient = 0;
  Course course;
  for (int i = 0; i < steps; ++i) {
    course.last = sparse.step(i);
    if (i == 0) course.first = course.last;
    loss = std::max(loss, std::fabs(native.step(i) - course.last));
    gradient = std::max(gradient, gradient_difference(sparse.params, native.params));
  }
  INFO(o.model, ", ", steps, " steps: losses apart by ", loss, ", gradients by ", gradient, ", ", course.first, " -> ", course.last);
  CHECK(loss <= 1e-10);
  CHECK(gradient <= 1e-9);
  CHECK(course.last < course.first);
  return course;
}

/// `hours` hours of two series with a daily course, as a CSV table; and one that is constant.
std::string daily_table(int hours) {
  std::string text = "date,load,heat,broken";
  for (int t = 0; t < hours; ++t)
    text += cat("\n2015-0", 2 + t / 24 / 28, "-", 1 + t / 24 % 28, " ", t % 24, ":00,", std::sin(t / 24.0 * 2 * M_PI), ",",
                10 + t % 24 + 0.1 * (t * 7919 % 13), ",5");
  return text + "\n";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a moving average repeats the ends, in every form") {
  for (const Form form : {Form::sparse, Form::native, Form::untied}) {
    ParamStore params(Device{}, 7, Dtype::f64);
    const MovingAverage average(Scope(params, form), 2, 9, 5);
    const Tensor x = windows(2, 9, 3, 4);
    Tape tape(Mode::eval);
    const std::vector<double> in = unpack_rows<double>(x), out = unpack_rows<double>(average(tape.input(x)).value());
    for (int c = 0; c < 2; ++c)
      for (int t = 0; t < 9; ++t)
        for (int n = 0; n < 3; ++n) {
          double sum = 0;
          for (int k = t - 2; k <= t + 2; ++k) sum += in[static_cast<std::size_t>((c * 9 + std::clamp(k, 0, 8)) * 3 + n)];
          CHECK(out[static_cast<std::size_t>((c * 9 + t) * 3 + n)] == doctest::Approx(sum / 5).epsilon(1e-12));
        }
  }
}

TEST_CASE("forecasts follow the level of their window") {
  for (const std::string model : {"linear", "nlinear", "revin", "dlinear", "lstm", "gru", "cnn"}) {
    CAPTURE(model);
    const RunOptions o = options_of(model);
    ParamStore params(Device{}, 7, Dtype::f64);
    const SeriesNet net(Scope{params}, series_of(o), o);
    const Tensor x = windows(series_of(o), o.look_back, 4, 1), raised = x.clone();
    for (std::int64_t i = 0; i < raised.element_count(); ++i) raised.data<double>()[i] += 100;
    Tape tape(Mode::eval);
    const std::vector<double> y = unpack_rows<double>(net(tape.input(x)).value()), z = unpack_rows<double>(net(tape.input(raised)).value());
    REQUIRE(static_cast<std::int64_t>(y.size()) == series_of(o) * 6 * 4);
    for (std::size_t i = 0; i < y.size(); ++i) CHECK(z[i] == doctest::Approx(y[i] + 100).epsilon(1e-9));
  }
  ParamStore params(Device{}, 7, Dtype::f64);
  CHECK_THROWS_AS(SeriesNet(Scope{params}, 3, options_of("lineal")), ConfigError);
}

TEST_CASE("what divides by a window's deviation follows its scale too") {
  for (const std::string model : {"lstm", "gru", "cnn"}) {
    CAPTURE(model);
    const RunOptions o = options_of(model);
    ParamStore params(Device{}, 7, Dtype::f64);
    const SeriesNet net(Scope{params}, 1, o);
    const Tensor x = windows(1, o.look_back, 4, 1), scaled = x.clone();
    for (std::int64_t i = 0; i < scaled.element_count(); ++i) scaled.data<double>()[i] *= 10;
    Tape tape(Mode::eval);
    const std::vector<double> y = unpack_rows<double>(net(tape.input(x)).value());
    const std::vector<double> z = unpack_rows<double>(net(tape.input(scaled)).value());
    for (std::size_t i = 0; i < y.size(); ++i) CHECK(std::fabs(z[i] - 10 * y[i]) < 1e-3);  // the norm's eps keeps them apart
  }
}

TEST_CASE("every recurrence in use is strictly lower triangular, every convolution upper triangular") {
  for (const Form form : {Form::sparse, Form::untied})
    for (const Cell cell : {Cell::lstm, Cell::gru}) {
      RunOptions o = options_of("lstm");
      o.look_back = 14 * kPatch;
      ParamStore params(Device{}, 7);
      const RecurrentForecast net(Scope(params, form), cell, o);
      for (int layer = 0; layer < 2; ++layer) {
        const PatternPtr& pattern = net.recurrence().pattern(layer);
        CHECK(pattern->is_strictly_lower_triangular());
        CHECK(pattern->blocks() > 0);
      }
    }
  int convolutions = 0;
  const LayerCall::Listening listening([&](const LayerInfo& info, const Shape&) {
    if (info.kind != "conv1d") return;
    ++convolutions;
    CHECK(info.pattern->is_upper_triangular());
  });
  Learner(options_of("cnn"), Form::sparse).step(0);
  CHECK(convolutions == 2);
}

TEST_CASE("a recurrence reads the patches in order, a forecast is a map of its last state") {
  const RunOptions o = options_of("lstm");
  ParamStore params(Device{}, 7, Dtype::f64);
  const RecurrentForecast net(Scope{params}, Cell::lstm, o);
  const Tensor x = windows(1, o.look_back, 4, 1);
  const std::vector<double> values = unpack_rows<double>(x);
  Tape tape(Mode::eval);
  const Var states = net.recurrence()(tape.input(pack_rows(values, {3, kPatch}, sample_columns(4))));
  const std::vector<double> state = unpack_rows<double>(last_step(states, TimeAxis::first).value());
  const std::vector<double> y = unpack_rows<double>(net(tape.input(x)).value());
  const Tensor weight = params.find("head/weight")->field_value(), bias = params.find("head/bias")->field_value();
  for (int h = 0; h < o.horizon; ++h)
    for (int n = 0; n < 4; ++n) {
      double sum = bias.data<double>()[h];
      for (int k = 0; k < o.width; ++k) sum += weight.data<double>()[h * o.width + k] * state[static_cast<std::size_t>(k * 4 + n)];
      CHECK(y[static_cast<std::size_t>(h * 4 + n)] == doctest::Approx(sum).epsilon(1e-12));
    }
}

TEST_CASE("the linear models train alike in both forms; untied they begin alike and have a map for each series") {
  for (const std::string& model : kLinear) {
    RunOptions o = options_of(model);
    o.lr = 1e-2;
    const Course both = train_both(o, 200);
    CHECK(both.last < 0.9 * both.first);
    Learner untied(o, Form::untied);
    double loss = untied.step(0);
    CHECK(std::fabs(loss - both.first) < 0.05);  // biases are drawn apart
    for (int i = 1; i < 200; ++i) loss = untied.step(i);
    CHECK(loss < both.last);  // more parameters fit these few windows better
  }
  const Learner shared(options_of("linear"), Form::sparse), apart(options_of("linear"), Form::untied);
  CHECK(apart.params.parameter_count() == 3 * shared.params.parameter_count());
}

TEST_CASE("recurrences and convolutions train alike in both forms, with dropout; untied they learn too") {
  for (const std::string& model : kHidden) {
    RunOptions o = options_of(model);
    o.lr = 3e-3;
    const Course both = train_both(o, 200);
    CHECK(both.last < 0.9 * both.first);
    Learner untied(o, Form::untied);
    const double begin = untied.step(0);
    double loss = begin;
    for (int i = 1; i < 50; ++i) loss = untied.step(i);
    CHECK(loss < 0.95 * begin);
    CHECK(untied.params.parameter_count() > Learner(o, Form::sparse).params.parameter_count());
  }
}

TEST_CASE("both forms agree at the apps' own widths") {
  for (const char* model : {"lstm", "gru"}) {
    train_both({.dropout = 0.3, .model = model, .width = 128, .look_back = 504, .horizon = 96, .layers = 1}, 3);
    train_both({.lr = 4e-3, .model = model, .width = 64, .look_back = 168, .horizon = 24, .layers = 1}, 3);
  }
  train_both({.dropout = 0.3, .model = "cnn", .width = 64, .look_back = 336, .horizon = 96, .layers = 1}, 3);
  train_both({.lr = 4e-3, .model = "cnn", .width = 64, .look_back = 168, .horizon = 24, .layers = 2}, 3);
}

TEST_CASE("an app forecasts a table of one's own and leaves what it learnt") {
  const ScratchFolder folder;
  const std::string table = folder.write("mine.csv", daily_table(1200)), out = folder / "out";
  std::vector<std::string> flags{std::string(WEFT_BIN) + "/etth1", "--data", table, "--out", out, "--look-back", "48", "--horizon", "12"};
  flags.insert(flags.end(), {"--epochs", "3", "--warmup", "0", "--lr", "0.01", "--target", "mse<=0.2"});
  const ProgramResult run = run_program(flags);
  INFO(run.output);
  CHECK(run.status == 0);
  CHECK(has(run.output, "left out, constant in the training part: broken"));
  CHECK(has(run.output, "repeat day  mse "));
  const nlohmann::json result = nlohmann::json::parse(oracle::file_bytes(out + "/result.json"));
  CHECK(result["train_size"] == 840 - 59);
  CHECK(result["test_size"] == 240 - 11);
  CHECK(result["test_mse"] < result["baselines"]["window mean"]["mse"]);
  const std::string forecast = oracle::file_bytes(out + "/forecast.csv");
  CHECK(has(forecast, "step,\"load\",\"load forecast\",\"heat\",\"heat forecast\"\n-48,"));
  CHECK(std::count(forecast.begin(), forecast.end(), '\n') == 1 + 48 + 12);
}

TEST_CASE("an app forecasts by a model of its choice, with that model's own settings") {
  const ScratchFolder folder;
  const std::string table = folder.write("mine.csv", daily_table(1200));
  for (const std::string& model : kHidden) {
    const std::string out = folder / model;
    std::vector<std::string> flags{std::string(WEFT_BIN) + "/etth1", "--data", table, "--out", out, "--model", model, "--width", "16"};
    flags.insert(flags.end(), {"--look-back", "72", "--horizon", "12", "--epochs", "8", "--batch", "32", "--lr", "0.01"});
    flags.insert(flags.end(), {"--target", "mse<=0.3"});
    const ProgramResult run = run_program(flags);
    INFO(run.output);
    CHECK(run.status == 0);
    const nlohmann::json settings = nlohmann::json::parse(oracle::file_bytes(out + "/config.json"));
    CHECK(settings["model"] == model);
    CHECK(settings["dropout"] == 0.3);
    CHECK(settings["layers"] == 1);
    CHECK(nlohmann::json::parse(oracle::file_bytes(out + "/result.json"))["train_size"] == 2 * (840 - 83));
  }
}

TEST_CASE("what an app cannot forecast ends it with the exit code of its kind") {
  const ScratchFolder folder;
  const std::string table = folder.write("mine.csv", daily_table(200)), gap = folder.write("gap.csv", "a\n1\n\"\"\n3\n");
  const auto status = [&](const std::string& app, std::vector<std::string> flags, const std::string& says) {
    flags.insert(flags.begin(), {std::string(WEFT_BIN) + "/" + app, "--out", folder / "out"});
    const ProgramResult run = run_program(flags);
    INFO(run.output);
    CHECK(has(run.output, says));
    return run.status;
  };
  CHECK(status("etth1", {"--data", table}, "the training part has 140 steps, a window takes 608") == 2);
  CHECK(status("etth1", {"--data", gap}, "line 3: column 1 ('a') is empty") == 2);
  CHECK(status("etth1", {"--data", folder.path()}, "ETTh1 was not found") == 2);
  CHECK(status("etth1", {"--data", table, "--look-back", "0"}, "look-back is 0") == 1);
  CHECK(status("etth1", {"--shift", "1"}, "--shift") == 1);
  CHECK(status("etth1", {"--width", "8"}, "width is 8, it must be left away: the model 'linear' has no hidden units") == 1);
  CHECK(status("etth1", {"--model", "lstm", "--width", "0"}, "width is 0, it must be in [1, 1024]") == 1);
  CHECK(status("etth1", {"--data", table, "--model", "gru", "--look-back", "30", "--horizon", "6"}, "patches of 24 steps") == 1);
  CHECK(status("electricity", {"--data", table, "--set", "2015"}, "did you mean 2014?") == 1);
  CHECK(status("electricity", {"--data", table, "--look-back", "24", "--horizon", "6", "--model", "lineal"}, "no model 'lineal'") == 1);
}
