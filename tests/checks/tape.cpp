#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <weft/autograd/gradcheck.hpp>
#include <weft/autograd/ops.hpp>
#include <weft/autograd/pending.hpp>
#include <weft/core/error.hpp>

using namespace weft;

namespace {

Tensor tiled(std::int64_t rows, std::int64_t n, double first = 1) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < rows * n; ++i) values.push_back(first + 0.25 * static_cast<double>(i));
  return pack_rows(values, {rows}, sample_columns(n));
}

Tensor plain(std::vector<double> values) {
  Tensor t = Tensor::plain(Dtype::f64, {static_cast<std::int64_t>(values.size())});
  std::copy(values.begin(), values.end(), t.data<double>());
  return t;
}

double scalar(const Tensor& t) { return *t.data<double>(); }

/// y = factor·x, written with the tape's own means; appends `name` to `order` when its backward runs.
Var scaled(Var x, double factor, std::vector<std::string>* order = nullptr, const std::string& name = "scaled") {
  Tensor y = x.tape().like(x);
  const Tensor in = x.value();
  for (std::int64_t i = 0; i < y.element_count(); ++i) y.data<double>()[i] = factor * in.data<double>()[i];
  return x.tape().record(name, y, {x}, [=](const Tensor& dy, GradSink& grads) {
    if (order != nullptr) order->push_back(name);
    const Tensor dx = grads.buffer(0);
    for (std::int64_t i = 0; i < dx.element_count(); ++i) dx.data<double>()[i] = factor * dy.data<double>()[i];
    grads.add(0, dx);
  });
}

/// The message of the error of kind E that f throws; "no error" if it throws none.
template <class E, class F>
std::string message(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "no error";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Doubles its input when it is forced, and counts how often.
struct Doubling : Pending {
  Var x;
  int* runs;
  std::vector<std::string>* order;
  Doubling(Var from, int* count, std::vector<std::string>* names) : x(from), runs(count), order(names) {}
  void run(Tape& tape, std::int32_t node) override {
    ++*runs;
    Tensor y = tape.like(x);
    for (std::int64_t i = 0; i < y.element_count(); ++i) y.data<double>()[i] = 2 * x.value().data<double>()[i];
    tape.resolve(node, "doubling", y, {x}, {}, [names = order](const Tensor& dy, GradSink& grads) {
      if (names != nullptr) names->push_back("doubling");
      grads.add(0, dy);
      grads.add(0, dy);
    });
  }
};

Var doubled(Var x, int* runs, std::vector<std::string>* order = nullptr) {
  return x.tape().defer(std::make_shared<Doubling>(x, runs, order), x.dtype(), x.rows(), x.columns(), {x});
}

ParamPtr parameter(std::vector<double> values) {
  auto made = std::make_shared<Parameter>();
  made->name = "w";
  made->value = plain(values);
  made->grad = plain(std::vector<double>(values.size(), NAN));
  return made;
}

}  // namespace

TEST_CASE("gradients of a chain and of a value read twice add up") {
  Tape tape;
  const Var x = tape.leaf(tiled(3, 5));
  const Var a = scaled(x, 3), b = scaled(a, 5), c = scaled(a, 7);
  const Gradients gradients = tape.backward(sum(b * c));
  for (const double g : unpack_rows<double>(gradients.of(x))) CHECK(std::isfinite(g));
  const std::vector<double> values = unpack_rows<double>(x.value()), found = unpack_rows<double>(gradients.of(x));
  for (std::size_t i = 0; i < values.size(); ++i) CHECK(found[i] == doctest::Approx(2 * 9 * 35 * values[i]));
}

TEST_CASE("a gradient that several nodes share is never written") {
  Tape tape;
  const Var x = tape.leaf(tiled(2, 3)), y = tape.leaf(tiled(2, 3, 9));
  // x + y hands the same dy to both; x then receives two more.
  const Gradients gradients = tape.backward(sum((x + y) + scaled(x, 10) + scaled(x, 100)));
  for (const double g : unpack_rows<double>(gradients.of(x))) CHECK(g == 111);
  for (const double g : unpack_rows<double>(gradients.of(y))) CHECK(g == 1);
}

TEST_CASE("an input that wants no gradient gets none, and an op none of whose inputs do is not run backwards") {
  Tape tape;
  std::vector<std::string> order;
  const Var data = tape.input(tiled(2, 3)), x = tape.leaf(tiled(2, 3));
  const Var constant = scaled(data, 2, &order, "constant");
  CHECK_FALSE(constant.wants_grad());
  const Gradients gradients = tape.backward(sum(constant * x));
  CHECK(order.empty());
  CHECK_FALSE(gradients.of(data).defined());
  CHECK(unpack_rows<double>(gradients.of(x)) == unpack_rows<double>(constant.value()));
}

TEST_CASE("a deferred value is computed once, when it is needed") {
  Tape tape;
  int runs = 0;
  const Var x = tape.leaf(tiled(2, 3));
  const Var y = doubled(x, &runs);
  CHECK(y.rows() == x.rows());
  CHECK(y.wants_grad());
  CHECK(tape.consumers(x) == 1);
  CHECK(tape.pending(y) != nullptr);
  CHECK(runs == 0);
  CHECK(tape.records().empty());
  const double first = y.value().data<double>()[0];
  CHECK(first == 2);
  CHECK(y.value().data<double>()[0] == first);
  CHECK(runs == 1);
  CHECK(tape.pending(y) == nullptr);
  CHECK(tape.records().size() == 1);
  for (const double g : unpack_rows<double>(tape.backward(sum(y)).of(x))) CHECK(g == 2);
}

TEST_CASE("records run backwards in the order of forcing, reversed") {
  Tape tape;
  int runs = 0;
  std::vector<std::string> order;
  const Var x = tape.leaf(tiled(2, 3));
  const Var late = doubled(x, &runs, &order);
  const Var early = scaled(x, 3, &order, "early");
  const Gradients gradients = tape.backward(sum(early * scaled(late, 1, &order, "reader")));
  CHECK(order == std::vector<std::string>{"reader", "doubling", "early"});
  CHECK(gradients.of(x).defined());
}

TEST_CASE("a deferred value nobody forces stays out of the records") {
  Tape tape;
  int runs = 0;
  const Var x = tape.leaf(tiled(2, 3));
  doubled(x, &runs);
  tape.backward(sum(scaled(x, 2)));
  CHECK(runs == 0);
}

namespace {

/// outer = 3·inner = 6·x, computed at once; inner, if it is read, is computed without a record of its own.
struct Fused : Pending {
  Var x, inner;
  bool is_inner;
  Fused(Var from, Var within, bool inside) : x(from), inner(within), is_inner(inside) {}
  void run(Tape& tape, std::int32_t node) override {
    Tensor y = tape.like(x);
    for (std::int64_t i = 0; i < y.element_count(); ++i) y.data<double>()[i] = (is_inner ? 2 : 6) * x.value().data<double>()[i];
    if (is_inner) return tape.resolve(node, "inner", y, {}, {}, nullptr);
    tape.resolve(node, "fused", y, {x}, {inner.id()}, [id = inner.id()](const Tensor& dy, GradSink& grads) {
      const Tensor arrived = grads.take(id);
      const Tensor dx = grads.buffer(0);
      for (std::int64_t i = 0; i < dx.element_count(); ++i)
        dx.data<double>()[i] = (dy.defined() ? 6 * dy.data<double>()[i] : 0) + (arrived.defined() ? 2 * arrived.data<double>()[i] : 0);
      grads.add(0, dx);
    });
  }
};

double fused_gradient(bool read_outer, bool read_inner) {
  Tape tape;
  const Var x = tape.leaf(tiled(1, 1));
  const Var inner = tape.defer(std::make_shared<Fused>(x, Var(), true), x.dtype(), x.rows(), x.columns(), {x});
  const Var outer = tape.defer(std::make_shared<Fused>(x, inner, false), x.dtype(), x.rows(), x.columns(), {inner});
  outer.value();
  Var loss = read_outer ? sum(outer) : sum(inner);
  if (read_outer && read_inner) loss = loss + sum(inner);
  return scalar(tape.backward(loss).of(x));
}

}  // namespace

TEST_CASE("a fused record takes the gradients of its inner values") {
  CHECK(fused_gradient(true, false) == 6);
  CHECK(fused_gradient(false, true) == 2);
  CHECK(fused_gradient(true, true) == 8);
}

TEST_CASE("a parameter is one leaf a step and its gradient lies in the parameter") {
  Tape tape;
  const ParamPtr w = parameter({1, 2, 3}), unused = parameter({4}), frozen = parameter({5});
  frozen->trainable = false;
  const Var v = tape.param(w);
  CHECK(tape.param(w).id() == v.id());
  tape.param(unused);
  CHECK_FALSE(tape.param(frozen).wants_grad());
  const std::byte* place = w->grad.bytes();
  const Gradients gradients = tape.backward(sum(v * v) + sum(scaled(v, 10)));
  CHECK(w->grad.bytes() == place);
  CHECK(gradients.of(w).bytes() == place);
  CHECK(unpack_rows<double>(w->grad) == std::vector<double>{12, 14, 16});
  CHECK(scalar(unused->grad) == 0);
  CHECK_FALSE(gradients.of(unused).defined());
  CHECK(scalar(frozen->grad) == 0);
}

TEST_CASE("a gradient handed over reaches the parameter's own storage, and one without storage is still reported") {
  Tape tape;
  const ParamPtr w = parameter({1, 2}), bare = parameter({3, 4});
  bare->grad = Tensor();
  const Gradients gradients = tape.backward(sum(reshape(tape.param(w), {2, 1})) + sum(scaled(tape.param(bare), 7)));
  CHECK(unpack_rows<double>(w->grad) == std::vector<double>{1, 1});
  CHECK(unpack_rows<double>(gradients.of(bare)) == std::vector<double>{7, 7});
}

TEST_CASE("eval records nothing, keeps values until reset and refuses backward") {
  Tape tape(Mode::eval);
  int runs = 0;
  const auto alive = std::make_shared<int>(0);
  const Var x = tape.leaf(tiled(2, 3));
  const Var y = doubled(x, &runs);
  const Var z = tape.record("kept", x.value().clone(), {y}, [alive](const Tensor&, GradSink&) {});
  CHECK(alive.use_count() == 1);
  CHECK_FALSE(z.wants_grad());
  CHECK(y.value().data<double>()[0] == 2);
  CHECK(tape.records().empty());
  CHECK(contains(message<UsageError>([&] { tape.backward(sum(y)); }), "eval"));
}

TEST_CASE("stale, foreign and undefined Vars are refused by name") {
  Tape tape, other;
  const Var x = tape.leaf(tiled(2, 3)), foreign = other.leaf(tiled(2, 3));
  CHECK(contains(message<UsageError>([&] { (void)(x * foreign); }), "another tape"));
  CHECK(contains(message<UsageError>([&] { tape.backward(foreign); }), "another tape"));
  tape.reset(1);
  const Var fresh = tape.leaf(tiled(2, 3));
  CHECK(contains(message<UsageError>([&] { x.value(); }), "earlier step"));
  CHECK(contains(message<UsageError>([&] { (void)x.rows(); }), "earlier step"));
  CHECK(contains(message<UsageError>([&] { (void)(fresh * x); }), "earlier step"));
  CHECK(contains(message<UsageError>([&] { (void)Var().value(); }), "undefined"));
  CHECK(contains(message<UsageError>([&] { tape.input(Tensor()); }), "undefined"));
}

TEST_CASE("what cannot be differentiated is refused") {
  Tape tape;
  const Var x = tape.leaf(tiled(2, 3));
  CHECK(contains(message<UsageError>([&] { tape.record("argmax", x.value(), {x}, nullptr); }), "argmax"));
  CHECK(contains(message<UsageError>([&] { tape.backward(x); }), "2 rows and 3 columns"));
  const Var loss = sum(scaled(x, 2));
  tape.backward(loss);
  CHECK(contains(message<UsageError>([&] { tape.backward(loss); }), "already"));
}

TEST_CASE("one row and one column is a loss, with lanes to spare") {
  Tape tape;
  const Var x = tape.leaf(pack_rows<double>({3}, {1}, sample_columns(1, Lanes::sixteen)));
  const Tensor g = tape.backward(x * x).of(x);
  CHECK(g.data<double>()[0] == 6);
  for (int lane = 1; lane < 16; ++lane) CHECK(g.data<double>()[lane] == 0);
}

TEST_CASE("check_finite names the op, the layer and the place of the first value that is not finite") {
  Tape tape;
  tape.check_finite(true);
  tape.reset(7);
  const Var x = tape.leaf(pack_rows<double>({1, 2, -3, 4}, {2}, sample_columns(2)));
  const std::string forward = message<NumericError>([&] {
    const Tape::PathScope scope(tape, "body/log");
    (void)log(x);
  });
  CHECK(contains(forward, "log 'body/log': output is nan at row 1, column 0 (step 7)"));

  tape.reset(8);
  const Var zero = tape.leaf(pack_rows<double>({1, 0}, {2}, sample_columns(1)));
  const Var loss = [&] {
    const Tape::PathScope scope(tape, "body/sqrt");
    return sum(sqrt(zero));
  }();
  CHECK(contains(message<NumericError>([&] { tape.backward(loss); }),
                 "sqrt 'body/sqrt': gradient of its input is inf at row 1, column 0 (step 8)"));
}

TEST_CASE("check_finite forces deferred values at once") {
  Tape tape;
  tape.check_finite(true);
  int runs = 0;
  doubled(tape.leaf(tiled(2, 3)), &runs);
  CHECK(runs == 1);
}

TEST_CASE("records tell op, layer and bytes; a view has none of its own") {
  Tape tape;
  const Var x = tape.leaf(tiled(4, 3));
  {
    const Tape::PathScope outer(tape, "body");
    const Tape::PathScope scope(tape, "body/a");
    (void)scaled(x, 2);
  }
  (void)slice(x, 1, 3);
  const std::vector<Tape::RecordInfo> records = tape.records();
  REQUIRE(records.size() == 2);
  CHECK(records[0].op == "scaled");
  CHECK(records[0].path == "body/a");
  CHECK(records[0].output_bytes == 4 * 3 * 8);
  CHECK(records[1].op == "slice");
  CHECK(records[1].path.empty());
  CHECK(records[1].output_bytes == 0);
  CHECK(tape.path().empty());
}

TEST_CASE("a deferred value carries the layer that asked for it") {
  Tape tape;
  int runs = 0;
  const Var x = tape.leaf(tiled(2, 3));
  Var y;
  {
    const Tape::PathScope scope(tape, "body/c1");
    y = doubled(x, &runs);
  }
  const Var z = doubled(y, &runs);
  z.value();
  REQUIRE(tape.records().size() == 2);
  CHECK(tape.records()[0].path == "body/c1");
  CHECK(tape.records()[1].path == "body/c1");
}

TEST_CASE("a reference to a value outlives later ops, a copy outlives the step") {
  Tape tape;
  const Var x = tape.leaf(tiled(2, 3));
  const Tensor& value = x.value();
  const Tensor copy = x.detach();
  for (int i = 0; i < 100; ++i) (void)scaled(x, 2);
  CHECK(value.data<double>()[0] == 1);
  tape.reset(1);
  CHECK(copy.data<double>()[0] == 1);
}

TEST_CASE("steady steps allocate nothing") {
  Tape tape;
  const ParamPtr w = parameter({1, 2, 3, 4, 5});
  std::int64_t after_first = 0;
  for (int step = 0; step < 4; ++step) {
    tape.reset(step);
    const Var x = tape.leaf(tiled(5, 20)), v = tape.param(w);
    const Var y = layer_norm(gelu(x), v, v, 1e-5) * x + relu(x);
    tape.backward(mean(softmax(concat({y, x}))));
    if (step == 0) after_first = tape.pool().allocations();
    else CHECK(tape.pool().allocations() == after_first);
  }
  CHECK(after_first > 0);
}

TEST_CASE("gradcheck finds a wrong gradient, a leak into padding and a wrong dtype") {
  const auto wrong = [](double factor, double leak) {
    return [=](Tape& tape, const std::vector<Var>& x) {
      return tape.record("wrong", x[0].value().clone(), {x[0]}, [=](const Tensor& dy, GradSink& grads) {
        const Tensor dx = dy.clone();
        const Columns& columns = *dx.columns();
        for (std::int64_t i = 0; i < dx.element_count(); ++i) {
          const std::int64_t n = i / dx.tile_stride() * columns.lanes + i % columns.lanes;
          dx.data<double>()[i] = n < columns.count ? factor * dx.data<double>()[i] : leak;
        }
        grads.add(0, dx);
      });
    };
  };
  CHECK(gradcheck(wrong(1, 0), {tiled(3, 17)}).passed);
  CHECK_FALSE(gradcheck(wrong(1.00001, 0), {tiled(3, 17)}).passed);
  CHECK_FALSE(gradcheck(wrong(NAN, 0), {tiled(3, 17)}).passed);
  CHECK(contains(gradcheck(wrong(1, 1e-300), {tiled(3, 17)}).report, "padding"));
  CHECK(contains(message<UsageError>([&] { gradcheck(wrong(1, 0), {cast(tiled(3, 17), Dtype::f32)}); }), "f32"));
}
