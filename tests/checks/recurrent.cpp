// Recurrent layers: against numbers of torch.nn, every form against the others, lengths, carried states, checkpoints.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/autograd/ops.hpp>
#include <weft/core/error.hpp>
#include <weft/core/parallel.hpp>
#include <weft/core/patterns.hpp>
#include <weft/layers/check_layer.hpp>
#include <weft/layers/linear.hpp>
#include <weft/layers/optim/adam.hpp>
#include <weft/layers/recurrent.hpp>
#include <weft/layers/summary.hpp>
#include <weft/tests/checks/drawn.hpp>

using namespace weft;
using namespace weft::checks;
using patterns::Carry;

namespace {

using Values = std::vector<double>;
using Direction = Recurrent::Direction;

const std::vector<Cell> kCells{Cell::tanh, Cell::relu, Cell::gru, Cell::lstm};
const std::vector<Form> kForms{Form::sparse, Form::native, Form::untied};

/// A tree of five and one of two nodes.
PatternPtr forest() { return patterns::tree_from_parents({2, 2, 4, 4, -1, 6, -1}); }

double largest_difference(const Values& a, const Values& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(a[i] - b[i]);
    worst = std::isnan(difference) ? INFINITY : std::max(worst, difference);
  }
  return worst;
}

// ---- numbers of torch.nn ----

constexpr std::int64_t kIn = 3, kHidden = 4, kSteps = 7;

/// sin(a·i + b).
Values wave(std::int64_t n, double a, double b) {
  Values values;
  for (std::int64_t i = 0; i < n; ++i) values.push_back(std::sin(a * static_cast<double>(i) + b));
  return values;
}

double digest(const Values& v) {
  const Values weights = wave(static_cast<std::int64_t>(v.size()), 0.31, 0.2);
  double sum = 0;
  for (std::size_t i = 0; i < v.size(); ++i) sum += v[i] * weights[i];
  return sum;
}

/// The place of "….weight_hh_l1_reverse" among torch's parameters: by layer, direction, then weight_ih, weight_hh, bias_ih, bias_hh.
int number_of(const std::string& name) {
  const bool reverse = name.ends_with("_reverse");
  const int layer = name[name.find("_l") + 2] - '0';
  const int kind = (name.find("bias") != std::string::npos ? 2 : 0) + (name.find("_hh") != std::string::npos ? 1 : 0);
  return 4 * (2 * layer + (reverse ? 1 : 0)) + kind;
}

/// Every parameter from the closed formula: element i of the p-th is 0.4·sin(1.3·i + p).
void load_formula(ParamStore& params) {
  State state = params.state();
  for (auto& entry : state) {
    const Values values = wave(entry.second.row_count(), 1.3, number_of(entry.first));
    for (std::size_t i = 0; i < values.size(); ++i) entry.second.data<double>()[i] = 0.4 * values[i];
  }
  params.load(state);
}

struct Golden {
  Cell cell;
  std::int64_t n;
  Values digests;  ///< of y, dx and the gradient of each parameter in torch's order
};

/// Printed by PyTorch 2.15 in double. With wave and digest as above, weights as load_formula sets them,
///   net = torch.nn.LSTM(3, 4, 2, bidirectional=True)          # GRU, RNN, RNN with nonlinearity='relu'
///   x = wave(7·3·N, 0.9, 0.5) as [7, 3, N];  y = net of x.permute(0, 2, 1), permuted back to [7, 8, N]
///   (y·wave(7·8·N, 0.37, 0) as [7, 8, N]).sum().backward()
std::vector<Golden> goldens() {
  return {
      {Cell::lstm,
       3,
       {-0.54515951143933106, 0.1324290966126204, -0.039905432286155666, 0.095596792903289013, -0.16234326106001506, -0.16234326106001506,
        0.039993132465487587, 0.0027173410623336537, 0.070180889919382955, 0.070180889919382955, 0.080772226695466298, 0.079568673664721423,
        0.18901397080282215, 0.18901397080282212, 0.072233785365136971, 0.22994938923695574, -0.17810092510728867, -0.1781009251072885}},
      {Cell::lstm,
       17,
       {-0.49097367179715001, 0.099715457413312836, -0.047308095386844537, -0.025253580947145464, 0.029015966360872669, 0.02901596636087269,
        0.045321394699568578, 0.0058273947642190124, -0.0061091435460666182, -0.0061091435460665366, 0.020323761759005896,
        -0.0091864240204833358, -0.023030686704342732, -0.023030686704343308, 0.031171532343533238, -0.00044560431134488732,
        0.0023768520961957511, 0.0023768520961963586}},
      {Cell::gru,
       3,
       {-0.40197340343370247, -0.51871696959258951, -0.092099953741633309, 0.33577274784171279, -0.35950724896547753, -0.17794207688070857,
        0.25033657409848747, 0.13150620298644744, 0.67638446298510413, 0.35088291669228844, 0.46395119054320211, 0.34832578234720796,
        0.69860331732615555, 0.30263570058438705, -0.071215616621879058, 0.43626523755258684, -0.11389808799498791, -0.12909402924109259}},
      {Cell::gru,
       17,
       {-1.4888364478873155, 0.35810040571844798, -0.16584154662220618, -0.042299115989129984, 0.044695440414423873, 0.037750092811835473,
        0.4522388774231258, 0.031936051228316505, 0.063929368811070086, 0.039839465963360833, 0.0043050336104914627, -0.036893294981448874,
        -0.096303715944435347, -0.068797270228469279, 0.027817461840154184, -0.0066464974409177618, -0.016743797437721347,
        -0.00182509233497174}},
      {Cell::tanh,
       3,
       {-6.761622425649815, -1.2163921411621323, 0.36210722151945363, -0.1090656776917022, -0.31993826022751376, -0.31993826022751354,
        0.497964791161572, 1.1451309525422617, 0.99273803430621166, 0.99273803430621166, -0.93271844524102487, 0.72413293520242272,
        0.039466030511106032, 0.039466030511106392, -0.17481009837816291, 5.5922710689903283, 0.16737443896967019, 0.16737443896967025}},
      {Cell::tanh,
       17,
       {-1.9874817694890217, 0.18475959395745178, 0.241781470534911, -0.015850061419889705, -0.04677219597460934, -0.046772195974609083,
        -0.10102370958851614, 0.024187542163631864, -0.053823941447961307, -0.053823941447961342, -0.021912221565519155,
        0.058477805408629679, -0.051117556038033224, -0.051117556038033168, 0.43723872833221405, -0.2580551244577855, 0.19015783699845265,
        0.19015783699845284}},
      {Cell::relu,
       3,
       {-3.7105178582432892, -3.4454228715204831, 0.071135327704017509, -0.37523856425515123, 0.38119010612613879, 0.38119010612613879,
        -0.080573959829558367, -1.0524784520543349, 0.23362564297382937, 0.23362564297382937, -0.24256141511945936, -0.85355085035426403,
        0.27266615183272491, 0.27266615183272513, 0.96027085600632023, -0.27482398410594011, -0.091700193749945855, -0.091700193749945841}},
      {Cell::relu,
       17,
       {-0.088322505161018139, -1.5163248289292683, -0.13783114883337752, -0.12889173241132879, 0.33956111067275102, 0.33956111067275102,
        0.044226304549116913, 0.10092137136334733, -0.17584311102334785, -0.17584311102334779, -0.33809464187156268, -0.18342581673994665,
        -0.055370231287814584, -0.055370231287814368, -0.04004621636484812, 0.0019046080626053971, 0.00013987640409612086,
        0.00013987640409607674}},
  };
}

/// The same digests of a layer here.
Values digests(const Golden& g, Form form, const PatternPtr& links) {
  ParamStore params(Device{}, 1, Dtype::f64);
  const Recurrent net(Scope(params, form) / "net", g.cell, links, kIn, kHidden, {.layers = 2, .bidirectional = true});
  load_formula(params);
  const ColumnsPtr columns = sample_columns(g.n);
  Tape tape;
  const Var x = tape.leaf(pack_rows(wave(kSteps * kIn * g.n, 0.9, 0.5), {kSteps, kIn}, columns));
  const Var y = net(x);
  const Gradients gradients = tape.backward(sum(y * tape.input(pack_rows(wave(kSteps * 2 * kHidden * g.n, 0.37, 0), y.rows(), columns))));
  Values found{digest(doubles(y.value())), digest(doubles(gradients.of(x)))};
  std::vector<std::pair<int, double>> of_parameters;
  for (const ParamPtr& p : params.parameters()) of_parameters.emplace_back(number_of(p->name), digest(doubles(p->field_grad())));
  std::sort(of_parameters.begin(), of_parameters.end());
  for (const auto& each : of_parameters) found.push_back(each.second);
  return found;
}

// ---- nets in training ----

/// A recurrence over streams with a readout at each step, the state carried along.
struct StreamNet {
  Recurrent body;
  Linear head;
  RecurrentState state;

  StreamNet(const Scope& s, Cell cell, const PatternPtr& links, RecurrentOptions options)
      : body(s / "body", cell, links, 2, 6, options), head(s / "head", 6, 1) {}
};

/// Window `step` of endless streams: two inputs a step, and as target the first input two steps before plus the second one step before.
struct Window {
  Tensor x, target;
};

Window window(std::int64_t step, std::int64_t steps, const ColumnsPtr& columns) {
  const std::int64_t n = columns->count;
  const Random draws(3, 5);
  const auto input = [&](std::int64_t t, std::int64_t channel, std::int64_t stream) {
    return t < 0 ? 0.0 : draws.uniform(static_cast<std::uint64_t>((t * 2 + channel) * n + stream)) - 0.5;
  };
  Values x, target;
  for (std::int64_t t = step * steps; t < (step + 1) * steps; ++t) {
    for (std::int64_t channel = 0; channel < 2; ++channel)
      for (std::int64_t stream = 0; stream < n; ++stream) x.push_back(input(t, channel, stream));
    for (std::int64_t stream = 0; stream < n; ++stream) target.push_back(input(t - 2, 0, stream) + input(t - 1, 1, stream));
  }
  return {pack_rows(x, {steps, 2}, columns), pack_rows(target, {steps, 1}, columns)};
}

/// A net of one form with what it trains by.
struct Learner {
  ParamStore params;
  StreamNet net;
  Tape tape;
  Adam adam;

  Learner(Form form, Cell cell, const PatternPtr& links, const RecurrentOptions& options, Dtype dtype = Dtype::f64)
      : params(Device{}, 7, dtype), net(Scope(params, form), cell, links, options), adam(params) {}

  double step(const Window& w, std::int64_t number, double lr) {
    tape.reset(number, Mode::train);
    const auto given = [&](const Tensor& t) { return params.dtype() == Dtype::f64 ? t : cast(t, params.dtype()); };
    const Var loss = mse(net.head(net.body(tape.input(given(w.x)), net.state)), given(w.target)).mean();
    const Gradients gradients = tape.backward(loss);
    adam.step(gradients, lr);
    return doubles(loss.value()).at(0);
  }
};

double norm(const Values& v) {
  double square = 0;
  for (const double x : v) square += x * x;
  return std::sqrt(square);
}

std::string title(Cell cell, const PatternPtr& links, Form form = Form::sparse) {
  return std::string(name_of(form)) + " on " + links->name() + ", cell " + std::to_string(static_cast<int>(cell));
}

Recurrent small(const Scope& s, Cell cell, const PatternPtr& links, RecurrentOptions options = {}) {
  return Recurrent(s / "net", cell, links, kIn, kHidden, std::move(options));
}

}  // namespace

TEST_CASE("outputs and gradients of two bidirectional layers are those of torch.nn, in the sparse and the native form") {
  for (const Golden& g : goldens())
    for (const Form form : {Form::sparse, Form::native})
      for (const PatternPtr& links : {patterns::dilated(kSteps, 1), patterns::dilated(kSteps + 4, 1, Carry::yes)}) {
        const Values found = digests(g, form, links);
        REQUIRE(found.size() == g.digests.size());
        for (std::size_t i = 0; i < found.size(); ++i) {
          INFO(title(g.cell, links, form), ", N = ", g.n, ", digest ", i);
          CHECK(found[i] == doctest::Approx(g.digests[i]).epsilon(1e-11));
        }
      }
}

TEST_CASE("parameters have torch.nn's names and shapes") {
  const auto listed = [](Cell cell, const PatternPtr& links, RecurrentOptions options) {
    ParamStore params;
    small(Scope(params), cell, links, std::move(options));
    std::string text;
    for (const auto& entry : params.state()) text += entry.first + ' ' + entry.second.rows().str() + '\n';
    return text;
  };
  CHECK(listed(Cell::lstm, patterns::dilated(5, 1), {.layers = 2, .bidirectional = true}) ==
        "net.weight_ih_l0 16x3\nnet.bias_ih_l0 16\nnet.weight_hh_l0 16x4\nnet.bias_hh_l0 16\n"
        "net.weight_ih_l0_reverse 16x3\nnet.bias_ih_l0_reverse 16\nnet.weight_hh_l0_reverse 16x4\nnet.bias_hh_l0_reverse 16\n"
        "net.weight_ih_l1 16x8\nnet.bias_ih_l1 16\nnet.weight_hh_l1 16x4\nnet.bias_hh_l1 16\n"
        "net.weight_ih_l1_reverse 16x8\nnet.bias_ih_l1_reverse 16\nnet.weight_hh_l1_reverse 16x4\nnet.bias_hh_l1_reverse 16\n");
  CHECK(listed(Cell::gru, patterns::skip(5, 3), {.bias = false}) == "net.weight_ih_l0 12x3\nnet.weight_hh_l0 2x12x4\n");
}

TEST_CASE("parameters are drawn from U(-1/sqrt(hidden), 1/sqrt(hidden)), as torch.nn's") {
  ParamStore params(Device{}, 1, Dtype::f64);
  const Gru net(Scope(params) / "net", patterns::skip(4, 2), 20, 9, {.layers = 2});
  for (const ParamPtr& p : params.parameters()) {
    const Values values = doubles(p->field_value());
    double largest = 0;
    for (const double v : values) largest = std::max(largest, std::abs(v));
    INFO(p->name);
    CHECK(largest < 1.0 / 3);
    CHECK(largest > 0.8 / 3);
  }
}

TEST_CASE("every recurrent matrix is strictly lower triangular") {
  for (const Cell cell : kCells)
    for (const Form form : kForms)
      for (const PatternPtr& links : {patterns::dilated(7, 2), patterns::skip(7, 3, Carry::yes), forest()}) {
        ParamStore params;
        const Recurrent net = small(Scope(params, form), cell, links, {.layers = 2, .bidirectional = true});
        for (const int layer : {0, 1})
          for (const Direction direction : {Direction::forward, Direction::reverse}) {
            INFO(title(cell, links, form));
            CHECK(net.pattern(layer, direction)->is_strictly_lower_triangular());
            CHECK(net.pattern(layer, direction)->rows() == links->rows() * kernels::gates(cell) * kHidden);
          }
      }
}

TEST_CASE("gradients of every cell in every form, by central differences") {
  const int before = threads();
  set_threads(1);  // thousands of tiny products: a team would only wake and sleep
  for (const Cell cell : {Cell::tanh, Cell::gru, Cell::lstm})
    for (const Form form : kForms)
      for (const PatternPtr& links : {patterns::skip(4, 2, Carry::yes), patterns::tree_from_parents({2, 2, 3, -1})}) {
        const auto make = [&](const Scope& s) { return Recurrent(s / "net", cell, links, 2, 3, {.layers = 2, .bidirectional = true}); };
        const CheckLayerResult result =
            check_layer(make, {4, 2}, {.form = form, .columns = {2, 17}, .gradcheck = {.rtol = 1e-5, .most = 40}});
        INFO(title(cell, links, form), "\n", result.report);
        CHECK(result.passed);
      }
  set_threads(before);
}

TEST_CASE("a shorter sequence is the beginning of a longer one, in every form") {
  for (const Cell cell : kCells)
    for (const Form form : kForms)
      for (const PatternPtr& links : {patterns::dilated(7, 2), patterns::skip(7, 3, Carry::yes), forest()}) {
        ParamStore params(Device{}, 1, Dtype::f64);
        const Recurrent net = small(Scope(params, form), cell, links, {.layers = 2});
        const ColumnsPtr columns = sample_columns(3);
        Tape tape(Mode::eval);
        const Var x = tape.input(normal_rows({7, kIn}, columns, 1));
        const Values whole = doubles(net(x).value());
        for (const std::int64_t steps : {1, 2, 4}) {
          const Values part = doubles(net(slice(x, 0, steps)).value());
          INFO(title(cell, links, form), ", ", steps, " steps");
          CHECK(part == Values(whole.begin(), whole.begin() + steps * kHidden * 3));
        }
      }
}

TEST_CASE("columns with lengths are their sequences alone, in both directions and every form") {
  for (const Cell cell : {Cell::tanh, Cell::gru, Cell::lstm})
    for (const Form form : kForms) {
      ParamStore params(Device{}, 1, Dtype::f64);
      const PatternPtr links = patterns::skip(kSteps, 3);
      const RecurrentOptions options{.layers = 2, .bidirectional = form != Form::untied};  // untied steps are those of the window
      const Recurrent net = small(Scope(params, form), cell, links, options);
      const std::vector<std::int32_t> lengths{3, 7, 1, 0, 5};
      const ColumnsPtr columns = sample_columns(lengths, Lanes::sixteen);
      const auto n = static_cast<std::int64_t>(lengths.size());
      const Tensor x = normal_rows({kSteps, kIn}, columns, 1);
      Tape tape;
      const Var input = tape.leaf(x), y = net(input);
      const Gradients gradients = tape.backward(sum(y * y));
      const Values together = doubles(y.value()), slopes = doubles(gradients.of(input)), inputs = doubles(x);
      double worst = 0;
      for (std::int64_t column = 0; column < n; ++column) {
        const std::int64_t steps = lengths[static_cast<std::size_t>(column)];
        Values expected(static_cast<std::size_t>(kSteps * net.out())), expected_slopes(static_cast<std::size_t>(kSteps * kIn));
        if (steps > 0) {
          Values own;
          for (std::int64_t row = 0; row < steps * kIn; ++row) own.push_back(inputs[static_cast<std::size_t>(row * n + column)]);
          Tape alone;
          const Var one = alone.leaf(pack_rows(own, {steps, kIn}, sample_columns(1))), h = net(one);
          const Values h_values = doubles(h.value()), dx = doubles(alone.backward(sum(h * h)).of(one));
          std::copy(h_values.begin(), h_values.end(), expected.begin());
          std::copy(dx.begin(), dx.end(), expected_slopes.begin());
        }
        for (std::size_t row = 0; row < expected.size(); ++row)
          worst = std::max(worst, std::abs(together[row * static_cast<std::size_t>(n) + static_cast<std::size_t>(column)] - expected[row]));
        for (std::size_t row = 0; row < expected_slopes.size(); ++row)
          worst = std::max(worst,
                           std::abs(slopes[row * static_cast<std::size_t>(n) + static_cast<std::size_t>(column)] - expected_slopes[row]));
      }
      INFO(title(cell, links, form));
      CHECK(worst < 1e-12);
    }
}

TEST_CASE("windows with the state carried are the whole sequence, lengths included") {
  for (const Cell cell : kCells)
    for (const Form form : {Form::sparse, Form::native}) {
      ParamStore params(Device{}, 1, Dtype::f64);
      const Recurrent net = small(Scope(params, form), cell, patterns::skip(12, 3, Carry::yes), {.layers = 2, .dropout = 0.5});
      const ColumnsPtr columns = sample_columns(20);
      Tape tape(Mode::eval);
      const Var x = tape.input(normal_rows({12, kIn}, columns, 1));
      const Values whole = doubles(net(x).value());
      RecurrentState state;
      Values parts;
      for (const auto& part : std::vector<std::pair<int, int>>{{0, 5}, {5, 6}, {6, 12}}) {
        const Values y = doubles(net(slice(x, part.first, part.second), state).value());
        parts.insert(parts.end(), y.begin(), y.end());
        state = RecurrentState::from_arrays(state.arrays(), columns);
      }
      INFO("cell ", static_cast<int>(cell), ", ", std::string(name_of(form)));
      CHECK(largest_difference(parts, whole) < 1e-13);
      REQUIRE(state.layers.size() == 2);
      CHECK(state.layers[0].c.defined() == (cell == Cell::lstm));

      // A stream that ends goes on later from its last active step.
      RecurrentState ended;
      const ColumnsPtr some = sample_columns(std::vector<std::int32_t>(20, 4));
      net(tape.input(pack_rows(doubles(slice(x, 0, 5).value()), {5, kIn}, some)), ended);
      const Values rest = doubles(net(slice(x, 4, 12), ended).value());
      CHECK(largest_difference(rest, Values(whole.begin() + 4 * kHidden * 20, whole.end())) < 1e-13);
    }
}

TEST_CASE("the native and the untied form begin as the sparse one") {
  for (const Cell cell : kCells)
    for (const PatternPtr& links : {patterns::dilated(7, 2), patterns::skip(7, 3, Carry::yes), forest()})
      for (const std::int64_t n : {3, 17}) {
        std::vector<Values> outputs;
        for (const Form form : kForms) {
          ParamStore params(Device{}, 1, Dtype::f64);
          const Recurrent net = small(Scope(params, form), cell, links, {.layers = 2, .bidirectional = true});
          Tape tape(Mode::eval);
          outputs.push_back(doubles(net(tape.input(normal_rows({7, kIn}, sample_columns(n), 1))).value()));
        }
        INFO(title(cell, links), ", N = ", n);
        CHECK(largest_difference(outputs[0], outputs[1]) < 1e-13);
        CHECK(largest_difference(outputs[0], outputs[2]) < 1e-13);
      }
}

TEST_CASE("200 free-running steps of the sparse and the native form agree, with dropout and carried state, and every gradient") {
  for (const Cell cell : {Cell::tanh, Cell::gru, Cell::lstm})
    for (const PatternPtr& links : {patterns::dilated(5, 1, Carry::yes), patterns::skip(5, 3, Carry::yes)}) {
      const RecurrentOptions options{.layers = 2, .dropout = 0.3};
      Learner sparse(Form::sparse, cell, links, options), native(Form::native, cell, links, options);
      const ColumnsPtr columns = sample_columns(9);
      double worst = 0, worst_gradient = 0;
      for (int step = 0; step < 200; ++step) {
        const Window w = window(step, 5, columns);
        worst = std::max(worst, std::abs(sparse.step(w, step, 3e-3) - native.step(w, step, 3e-3)));
        for (const ParamPtr& p : sparse.params.parameters())
          worst_gradient =
              std::max(worst_gradient, largest_difference(doubles(p->field_grad()), doubles(native.params.find(p->name)->field_grad())));
      }
      INFO(title(cell, links), ": losses differ by ", worst, ", gradients by ", worst_gradient);
      CHECK(worst <= 1e-10);
      CHECK(worst_gradient <= 1e-10);
    }
}

TEST_CASE("in f32, with equal parameters and states at each step, loss and gradients of the sparse and the native form agree") {
  for (const Cell cell : {Cell::tanh, Cell::gru, Cell::lstm}) {
    const PatternPtr links = patterns::skip(5, 3, Carry::yes);
    const RecurrentOptions options{.layers = 2, .dropout = 0.3};
    Learner sparse(Form::sparse, cell, links, options, Dtype::f32), native(Form::native, cell, links, options, Dtype::f32);
    const ColumnsPtr columns = sample_columns(24);
    double worst_loss = 0, worst = 0;
    for (int step = 0; step < 50; ++step) {
      native.params.load(sparse.params.state());
      native.net.state = sparse.net.state;
      const Window w = window(step, 5, columns);
      const double loss = sparse.step(w, step, 3e-3), other = native.step(w, step, 3e-3);
      worst_loss = std::max(worst_loss, std::abs(loss - other) / loss);
      double whole = 0;
      for (const ParamPtr& p : sparse.params.parameters()) whole = std::hypot(whole, norm(doubles(p->field_grad())));
      for (const ParamPtr& p : sparse.params.parameters()) {
        const Values a = doubles(p->field_grad());
        Values difference = doubles(native.params.find(p->name)->field_grad());
        for (std::size_t i = 0; i < a.size(); ++i) difference[i] -= a[i];
        worst = std::max(worst, norm(difference) / std::max(1e-4 * norm(a), 1e-6 * whole));
      }
    }
    INFO(title(cell, links), ": worst loss difference ", worst_loss, ", worst gradient at ", worst, " of what is allowed");
    CHECK(worst_loss <= 1e-5);
    CHECK(worst <= 1);
  }
}

TEST_CASE("dropout works in training, on what one layer gives the next") {
  const auto output = [](int layers, double dropout, Mode mode, Form form) {
    ParamStore params(Device{}, 1, Dtype::f64);
    const Recurrent net = small(Scope(params, form), Cell::lstm, patterns::dilated(kSteps, 1), {.layers = layers, .dropout = dropout});
    Tape tape(mode);
    return doubles(net(tape.input(normal_rows({kSteps, kIn}, sample_columns(3), 1))).value());
  };
  for (const Form form : kForms) {
    CHECK(output(1, 0.5, Mode::train, form) == output(1, 0, Mode::train, form));
    CHECK(output(2, 0.5, Mode::eval, form) == output(2, 0, Mode::eval, form));
    CHECK(output(2, 0.5, Mode::train, form) != output(2, 0, Mode::train, form));
    CHECK(largest_difference(output(2, 0.5, Mode::train, form), output(2, 0.5, Mode::train, Form::sparse)) < 1e-13);
  }
}

TEST_CASE("every form learns in 50 steps what came two steps before") {
  for (const Cell cell : {Cell::tanh, Cell::gru, Cell::lstm})
    for (const Form form : kForms) {
      const PatternPtr links = patterns::skip(6, 2, Carry::yes);
      Learner learner(form, cell, links, {});
      const ColumnsPtr columns = sample_columns(32);
      double first = 0, last = 0;
      std::int64_t allocations = 0;
      for (int step = 0; step < 50; ++step) {
        last = learner.step(window(step, 6, columns), step, 0.03);
        if (step == 0) first = last;
        if (step == 9) allocations = learner.tape.pool().allocations();
      }
      INFO(title(cell, links, form), ": ", first, " -> ", last);
      CHECK(last < 0.4 * first);
      CHECK(learner.tape.pool().allocations() == allocations);
    }
}

TEST_CASE("sparse weights: gradients, structure in the checkpoint, no native form") {
  const RecurrentOptions options{.layers = 2, .density = 0.5, .block = 2};
  const PatternPtr links = patterns::skip(4, 2);
  const auto make = [&](const Scope& s) { return Lstm(s / "net", links, 4, 4, options); };
  const CheckLayerResult result = check_layer(make, {4, 4}, {.columns = {3}, .gradcheck = {.rtol = 1e-5, .most = 40}});
  INFO(result.report);
  CHECK(result.passed);
  ParamStore params(Device{}, 1), other(Device{}, 1), longer(Device{}, 1);
  make(Scope(params));
  make(Scope(other));
  Lstm(Scope(longer) / "net", patterns::skip(9, 2), 4, 4, options);
  const State state = params.state();
  const auto has = [&](const std::string& name) {
    return std::any_of(state.begin(), state.end(), [&](const auto& entry) { return entry.first == name; });
  };
  for (const char* name : {"values", "row_ptr", "col", "tie", "shape"}) CHECK(has(std::string("net.weight_hh_l1.") + name));
  CHECK_NOTHROW(other.load(state));
  CHECK_NOTHROW(longer.load(state));  // weights do not know how long a sequence is
  ParamStore native;
  CHECK_THROWS_AS(make(Scope(native, Form::native)), ConfigError);
  const auto banded = [](std::int64_t rows, std::int64_t cols) { return patterns::random_blocks(rows, cols, 4, 0.5, 3); };
  ParamStore any;
  const Gru gru(Scope(any) / "net", links, 8, 8, {.matrix = banded});
  CHECK(gru.pattern()->nnz() == links->blocks() * banded(24, 8)->nnz());
}

TEST_CASE("the untied form has a matrix and biases for each step and link") {
  ParamStore params;
  const PatternPtr links = patterns::skip(6, 2);
  const Gru net(Scope(params, Form::untied) / "net", links, 8, 8);
  CHECK(params.find("net/weight_ih_l0")->shape.size() == 6 * 24 * 8);
  CHECK(params.find("net/weight_hh_l0")->shape.size() == links->blocks() * 24 * 8);
  CHECK(params.find("net/bias_hh_l0")->shape == Shape{6, 24});
  ParamStore again;
  Gru(Scope(again, Form::untied) / "net", links, 8, 8);
  CHECK_NOTHROW(again.load(params.state()));
}

TEST_CASE("what does not fit is refused by its numbers") {
  ParamStore params;
  const Scope s(params);
  const Lstm net(s / "net", patterns::dilated(5, 1, Carry::yes), kIn, kHidden);
  Tape tape(Mode::eval);
  const auto input = [&](std::int64_t steps, std::int64_t channels, std::int64_t n) {
    const Tensor x = Tensor::tiled(Dtype::f32, {steps, channels}, sample_columns(n));
    x.fill(0);
    return tape.input(x);
  };
  CHECK_THROWS_WITH_AS(net(input(6, kIn, 2)), doctest::Contains("1 to 5 steps of 3 channels"), ShapeError);
  CHECK_THROWS_WITH_AS(net(input(5, 4, 2)), doctest::Contains("5x4"), ShapeError);
  RecurrentState state;
  net(input(5, kIn, 20), state);
  CHECK_THROWS_WITH_AS(net(input(5, kIn, 17), state), doctest::Contains("20 streams, the batch has 17"), ShapeError);
  CHECK_THROWS_AS(RecurrentState::from_arrays(state.arrays(), sample_columns(17)), ShapeError);
  State broken = state.arrays();
  broken.front().first = "h_l7";
  CHECK_THROWS_AS(RecurrentState::from_arrays(broken, sample_columns(20)), UsageError);
  const RecurrentState kept = state;
  CHECK_NOTHROW(net(input(3, kIn, 20), state));
  CHECK(doubles(kept.layers[0].h) != doubles(state.layers[0].h));
  state = {};
  CHECK_NOTHROW(net(input(5, kIn, 17), state));
  const Gru forgetful(s / "forgetful", patterns::dilated(5, 1), kIn, kHidden);
  const Gru both(s / "both", patterns::dilated(5, 1, Carry::yes), kIn, kHidden, {.bidirectional = true});
  RecurrentState none;
  CHECK_THROWS_WITH_AS(forgetful(input(5, kIn, 2), none), doctest::Contains("Carry::yes"), UsageError);
  CHECK_THROWS_WITH_AS(both(input(5, kIn, 2), none), doctest::Contains("next sequence"), UsageError);
  CHECK_THROWS_AS(Lstm(s / "a", patterns::dilated(5, 1), 0, 4), ConfigError);
  CHECK_THROWS_AS(Lstm(s / "b", patterns::dilated(5, 1), 4, 4, {.dropout = 1}), ConfigError);
  CHECK_THROWS_AS(Rnn(s / "c", patterns::dilated(5, 1), 4, 4, {}, Cell::lstm), ConfigError);
}

TEST_CASE("a summary lists the matrices of each layer") {
  ParamStore params;
  const Lstm net(Scope(params) / "net", patterns::dilated(5, 1), kIn, kHidden, {.layers = 2, .dropout = 0.1});
  const Summary summary = summarise([&](Var x) { return net(x); }, {5, kIn}, {});
  CHECK(summary.lines.size() == 4);
  CHECK(summary.total.parameters == params.parameter_count());
}
