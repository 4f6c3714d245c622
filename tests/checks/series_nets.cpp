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
#include <weft/layers/optim/adam.hpp>
#include <weft/tests/oracle/oracle.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

using namespace weft;
using oracle::ScratchFolder;

namespace {

RunOptions options_of(const std::string& model) { return {.model = model, .look_back = 30, .horizon = 6}; }

Tensor windows(std::int64_t series, std::int64_t steps, std::int64_t n, std::uint64_t seed) {
  return pack_rows(oracle::random_values(series * steps * n, seed), {series, steps}, sample_columns(n));
}

/// Losses of a few steps of AdamW from the app's initial values, in double.
std::vector<double> losses(const std::string& model, Form form, int steps) {
  ParamStore params(Device{}, 7, Dtype::f64);
  const SeriesNet net(Scope(params, form), 3, options_of(model));
  AdamW optimizer(params, {});
  Tape tape;
  std::vector<double> seen;
  for (int i = 0; i < steps; ++i) {
    tape.reset(i, Mode::train);
    const Var loss = mse(net(tape.input(windows(3, 30, 20, 1))), windows(3, 6, 20, 2)).mean();
    seen.push_back(loss.value().data<double>()[0]);
    optimizer.step(tape.backward(loss), 1e-2);
  }
  return seen;
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
  for (const char* model : {"linear", "nlinear", "revin", "dlinear"}) {
    CAPTURE(model);
    ParamStore params(Device{}, 7, Dtype::f64);
    const SeriesNet net(Scope{params}, 3, options_of(model));
    const Tensor x = windows(3, 30, 4, 1), raised = x.clone();
    for (std::int64_t i = 0; i < raised.element_count(); ++i) raised.data<double>()[i] += 100;
    Tape tape(Mode::eval);
    const std::vector<double> y = unpack_rows<double>(net(tape.input(x)).value()), z = unpack_rows<double>(net(tape.input(raised)).value());
    REQUIRE(y.size() == 3 * 6 * 4);
    for (std::size_t i = 0; i < y.size(); ++i) CHECK(z[i] == doctest::Approx(y[i] + 100).epsilon(1e-9));
  }
  ParamStore params(Device{}, 7, Dtype::f64);
  CHECK_THROWS_AS(SeriesNet(Scope{params}, 3, options_of("lineal")), ConfigError);
}

TEST_CASE("sparse and native forms train alike; the untied one begins alike and has a map for each series") {
  for (const char* model : {"linear", "nlinear", "revin", "dlinear"}) {
    CAPTURE(model);
    const std::vector<double> sparse = losses(model, Form::sparse, 20), native = losses(model, Form::native, 20);
    const std::vector<double> untied = losses(model, Form::untied, 20);
    for (std::size_t i = 0; i < sparse.size(); ++i) CHECK(std::fabs(sparse[i] - native[i]) < 1e-10);
    CHECK(std::fabs(untied[0] - sparse[0]) < 0.05);  // biases are drawn apart
    CHECK(sparse.back() < 0.9 * sparse.front());
    CHECK(untied.back() < sparse.back());  // more parameters fit these few windows better
  }
  ParamStore shared(Device{}, 7), apart(Device{}, 7);
  const SeriesNet one(Scope(shared, Form::sparse), 3, options_of("linear")), three(Scope(apart, Form::untied), 3, options_of("linear"));
  CHECK(apart.parameter_count() == 3 * shared.parameter_count());
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
  CHECK(status("electricity", {"--data", table, "--set", "2015"}, "did you mean 2014?") == 1);
  CHECK(status("electricity", {"--data", table, "--look-back", "24", "--horizon", "6", "--model", "lineal"}, "no model 'lineal'") == 1);
}
