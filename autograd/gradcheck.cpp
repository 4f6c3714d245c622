#include <weft/autograd/gradcheck.hpp>

#include <algorithm>
#include <cmath>

#include <weft/autograd/ops.hpp>
#include <weft/core/error.hpp>
#include <weft/core/random.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

using Function = std::function<Var(Tape&, const std::vector<Var>&)>;

/// Where row `row` of column `n` lies in a contiguous tensor.
std::int64_t place_of(const Tensor& t, std::int64_t row, std::int64_t n) {
  const int lanes = t.is_tiled() ? t.columns()->lanes : 1;
  return n / lanes * t.tile_stride() + row * lanes + n % lanes;
}

std::int64_t columns_of(const Tensor& t) { return t.is_tiled() ? t.columns()->count : 1; }

std::vector<Var> leaves(Tape& tape, const std::vector<Tensor>& inputs) {
  std::vector<Var> vars;
  for (const Tensor& input : inputs) vars.push_back(tape.leaf(input));
  return vars;
}

/// f's value at the inputs, valid columns only.
std::vector<double> evaluate(const Function& f, Tape& tape, const std::vector<Tensor>& inputs) {
  tape.reset(1);
  return unpack_rows<double>(f(tape, leaves(tape, inputs)).value());
}

/// Weights for every output, in its own layout; padding lanes get some too, so that a gradient that leaks is seen.
Tensor random_weights(const Tensor& y, std::uint64_t seed) {
  const Random random(seed, hash_name("gradcheck weights"));
  const Tensor weights = y.clone();
  for (std::int64_t i = 0; i < weights.element_count(); ++i)
    weights.data<double>()[i] = random.uniform(static_cast<std::uint64_t>(i)) + 0.5;
  return weights;
}

std::vector<Tensor> analytic_gradients(const Function& f, Tape& tape, const std::vector<Tensor>& inputs, Tensor& weights,
                                       std::uint64_t seed) {
  tape.reset(1);
  const std::vector<Var> vars = leaves(tape, inputs);
  const Var y = f(tape, vars);
  weights = random_weights(y.value(), seed);
  const Gradients gradients = tape.backward(sum(y * tape.input(weights)));
  std::vector<Tensor> found;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Tensor g = gradients.of(vars[i]);
    if (!g.defined()) {
      g = inputs[i].clone();
      g.fill(0);
    }
    found.push_back(g.clone());
  }
  return found;
}

/// The places tried: all of them, or a random choice of `most`.
std::vector<std::int64_t> places(std::int64_t count, const GradcheckOptions& options, std::size_t input) {
  std::vector<std::int64_t> chosen;
  if (count <= options.most) {
    for (std::int64_t i = 0; i < count; ++i) chosen.push_back(i);
    return chosen;
  }
  const Random random(options.seed, hash_name("gradcheck places") + input);
  for (int i = 0; i < options.most; ++i)
    chosen.push_back(static_cast<std::int64_t>(random.uniform(static_cast<std::uint64_t>(i)) * static_cast<double>(count)));
  return chosen;
}

/// Gradient in padding lanes that is not exactly zero; empty if there is none.
std::string leaked(const Tensor& g, std::size_t input) {
  if (!g.is_tiled()) return {};
  for (std::int64_t n = g.columns()->count; n < g.columns()->padded(); ++n)
    for (std::int64_t row = 0; row < g.row_count(); ++row)
      if (const double value = g.data<double>()[place_of(g, row, n)]; value != 0)
        return cat("input ", input, ": the gradient of row ", row, " in padding lane ", n, " is ", value, ", not 0");
  return {};
}

/// Notes an element whose two gradients differ more than any before.
void note(GradcheckResult& result, const GradcheckOptions& options, double claimed, double numeric, const std::string& where) {
  double error = std::abs(claimed - numeric) / (options.atol + options.rtol * std::max(std::abs(claimed), std::abs(numeric)));
  if (std::isnan(error)) error = INFINITY;
  if (error <= result.worst_error) return;
  result.worst_error = error;
  result.report = cat(where, ": analytic ", claimed, ", numeric ", numeric);
}

/// The central difference of Σ weight·f at one element of an input.
double central_difference(const Function& f, Tape& tape, const std::vector<Tensor>& inputs, const std::vector<double>& weight,
                          double& element, double step) {
  const double before = element;
  element = before + step;
  const std::vector<double> above = evaluate(f, tape, inputs);
  element = before - step;
  const std::vector<double> below = evaluate(f, tape, inputs);
  element = before;
  double difference = 0;
  for (std::size_t k = 0; k < above.size(); ++k) difference += weight[k] * (above[k] - below[k]);
  return difference / (2 * step);
}

std::vector<Tensor> copies(const std::vector<Tensor>& given) {
  std::vector<Tensor> inputs;
  for (const Tensor& input : given) {
    if (!input.defined() || input.dtype() != Dtype::f64)
      throw UsageError({.op = "gradcheck",
                        .what = cat("input ", inputs.size(), " is ", input.defined() ? name_of(input.dtype()) : "undefined", ", not f64"),
                        .hint = "cast() the inputs to f64"});
    inputs.push_back(input.clone());
  }
  return inputs;
}

}  // namespace

GradcheckResult gradcheck(const Function& f, const std::vector<Tensor>& given, GradcheckOptions options) {
  const std::vector<Tensor> inputs = copies(given);
  Tape tape(Mode::train, options.seed);
  Tensor weights;
  const std::vector<Tensor> analytic = analytic_gradients(f, tape, inputs, weights, options.seed);
  const std::vector<double> weight = unpack_rows<double>(weights);
  GradcheckResult result;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (const std::string leak = leaked(analytic[i], i); !leak.empty()) return {false, leak, INFINITY};
    const std::int64_t columns = columns_of(inputs[i]);
    for (const std::int64_t place : places(inputs[i].row_count() * columns, options, i)) {
      const std::int64_t at = place_of(inputs[i], place / columns, place % columns);
      const double numeric = central_difference(f, tape, inputs, weight, inputs[i].data<double>()[at], options.step);
      note(result, options, analytic[i].data<double>()[at], numeric,
           cat("input ", i, ", row ", place / columns, ", column ", place % columns));
    }
  }
  result.passed = result.worst_error <= 1;
  return result;
}

}  // namespace weft
