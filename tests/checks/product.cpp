// The pending product: what it absorbs, that fused and unfused give the same bits forward and backward, and its gradients in double.

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/autograd/gradcheck.hpp>
#include <weft/autograd/ops.hpp>
#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/tests/oracle/cases.hpp>
#include <weft/tests/oracle/oracle.hpp>

using namespace weft;

namespace {

Tensor plain_of(const oracle::Values& v, Dtype dtype) {
  Tensor t = Tensor::plain(dtype, {static_cast<std::int64_t>(v.size())});
  by_float(dtype, [&](auto zero) { std::copy(v.begin(), v.end(), t.data<decltype(zero)>()); });
  return t;
}

/// A 3x3 convolution on an odd lattice and what may follow it.
struct Net {
  Lattice in{7, 5, 3};
  int c_out = 6;
  PatternPtr pattern = patterns::conv2d(in, c_out, {.kernel = 3, .pad = 1});
  Lattice out{7, 5, c_out};
};

/// Whether every step is computed as soon as it is written.
enum class Force { no, yes };

Var step(Var v, Force force) {
  if (force == Force::yes) v.value();
  return v;
}

/// Parts of a graph: values, bias, x and a second input of the output's shape.
struct Parts {
  Var values, bias, x, other;
};
using Graph = std::function<Var(const Net&, const Parts&, Force)>;

Var conv(const Net& net, const Parts& p, Force force) { return step(spmm(net.pattern, p.values, p.bias, p.x, net.out.shape()), force); }

/// Batch normalisation with the bias as scale and shift: another head of a chain.
Var normalised(const Parts& p, Var x, Force force) {
  const auto statistic = [&](double value) {
    const Tensor t = Tensor::plain(x.dtype(), {6});
    t.fill(value);
    return t;
  };
  return step(batch_norm(x, p.bias, p.bias, {statistic(0), statistic(1), 0.1}, 1e-3), force);
}

struct Case {
  std::string name;
  Graph graph;
  std::string fused_op;  ///< a record of this name shows that the chain ran fused; empty: it must not
};

std::vector<Case> cases() {
  return {
      {"relu", [](const Net& n, const Parts& p, Force f) { return step(relu(conv(n, p, f)), f); }, "spmm+relu"},
      {"leaky relu", [](const Net& n, const Parts& p, Force f) { return step(leaky_relu(conv(n, p, f), 0.1), f); }, "spmm+leaky_relu"},
      {"tanh", [](const Net& n, const Parts& p, Force f) { return step(tanh(conv(n, p, f)), f); }, "spmm+tanh"},
      {"bias, residual, gelu", [](const Net& n, const Parts& p, Force f) { return step(gelu(step(conv(n, p, f) + p.other, f)), f); },
       "spmm+residual+gelu"},
      {"residual on the left", [](const Net& n, const Parts& p, Force f) { return step(p.other + conv(n, p, f), f); }, "spmm+residual"},
      {"max pooling, odd lattice", [](const Net& n, const Parts& p, Force f) { return step(max_pool2d(conv(n, p, f), n.out, 2, 2, 0), f); },
       "spmm+max"},
      {"relu and max pooling, odd lattice",
       [](const Net& n, const Parts& p, Force f) { return step(max_pool2d(step(relu(conv(n, p, f)), f), n.out, 2, 2, 0), f); },
       "spmm+relu+max"},
      {"3x3 windows",
       [](const Net& n, const Parts& p, Force f) { return step(max_pool2d(step(relu(conv(n, p, f)), f), n.out, 3, 3, 0), f); },
       "spmm+relu+max"},
      {"two pending summands", [](const Net& n, const Parts& p, Force f) { return step(conv(n, p, f) + step(tanh(conv(n, p, f)), f), f); },
       "spmm+residual"},
      {"a value read twice",
       [](const Net& n, const Parts& p, Force f) {
         const Var c = conv(n, p, f);
         return step(step(relu(c), f) * c, f);
       },
       ""},
      {"a value added to itself",
       [](const Net& n, const Parts& p, Force f) {
         const Var c = conv(n, p, f);
         return step(c + c, f);
       },
       ""},
      {"an inner value read after the chain ran",
       [](const Net& n, const Parts& p, Force f) {
         const Var c = conv(n, p, f);
         const Var r = step(gelu(c), f);
         r.value();
         return step(r * c, f);
       },
       "spmm+gelu"},
      {"both inner values read after the chain ran",
       [](const Net& n, const Parts& p, Force f) {
         const Var c = conv(n, p, f), r = step(relu(c), f);
         const Var m = step(max_pool2d(r, n.out, 2, 2, 0), f);
         m.value();
         const Var again = step(max_pool2d(step(c * r, f), n.out, 2, 2, 0), f);
         return step(m * again, f);
       },
       "spmm+relu+max"},
      {"normalised, relu", [](const Net& n, const Parts& p, Force f) { return step(relu(normalised(p, conv(n, p, f), f)), f); },
       "batch_norm+relu"},
      {"normalised, relu and max pooling, odd lattice",
       [](const Net& n, const Parts& p, Force f) {
         return step(max_pool2d(step(relu(normalised(p, conv(n, p, f), f)), f), n.out, 2, 2, 0), f);
       },
       "batch_norm+relu+max"},
      {"normalised, 3x3 windows",
       [](const Net& n, const Parts& p, Force f) { return step(max_pool2d(normalised(p, conv(n, p, f), f), n.out, 3, 3, 0), f); },
       "batch_norm+max"},
      {"normalised, residual, relu",
       [](const Net& n, const Parts& p, Force f) { return step(relu(step(normalised(p, conv(n, p, f), f) + p.other, f)), f); },
       "batch_norm+residual+relu"},
      {"normalised, residual, gelu",
       [](const Net& n, const Parts& p, Force f) { return step(gelu(step(normalised(p, conv(n, p, f), f) + p.other, f)), f); },
       "batch_norm+residual+gelu"},
      {"a normalised value read after the chain ran",
       [](const Net& n, const Parts& p, Force f) {
         const Var c = normalised(p, conv(n, p, f), f);
         const Var r = step(gelu(c), f);
         r.value();
         return step(r * c, f);
       },
       "batch_norm+gelu"},
      {"overlapping windows", [](const Net& n, const Parts& p, Force f) { return step(max_pool2d(conv(n, p, f), n.out, 3, 2, 1), f); }, ""},
  };
}

struct Outcome {
  std::vector<Tensor> tensors;  ///< the value, then the gradient of each part
  std::vector<std::string> ops;
};

/// Whether x takes a gradient: a first layer's does not, and its weight gradient then reads dY through the window.
enum class First { no, yes };

Outcome run(const Case& c, std::int64_t n, Lanes lanes, Force force, Dtype dtype, First first) {
  const Net net;
  const ColumnsPtr columns = sample_columns(n, lanes);
  const auto tiled = [&](std::int64_t rows, Shape shape, std::uint64_t seed) {
    return cast(pack_rows(oracle::random_values(rows * n, seed), shape, columns), dtype);
  };
  Tape tape;
  const Tensor x = tiled(net.in.size(), net.in.shape(), 3);
  const Parts parts{tape.leaf(plain_of(oracle::random_values(*net.pattern, 1), dtype)),
                    tape.leaf(plain_of(oracle::random_values(6, 2), dtype)), first == First::yes ? tape.input(x) : tape.leaf(x),
                    tape.leaf(tiled(net.out.size(), net.out.shape(), 4))};
  const Var y = c.graph(net, parts, force);
  Outcome outcome;
  outcome.tensors.push_back(y.value());
  const Tensor weight = cast(pack_rows(oracle::random_values(y.rows().size() * n, 9), y.rows(), columns), dtype);
  const Gradients g = tape.backward(sum(y * tape.input(weight)));
  for (const Var& part : {parts.values, parts.bias, parts.other}) outcome.tensors.push_back(g.of(part));
  if (first == First::no) outcome.tensors.push_back(g.of(parts.x));
  for (const auto& info : tape.records()) outcome.ops.push_back(info.op);
  return outcome;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  return a.row_count() == b.row_count() &&
         std::memcmp(a.bytes(), b.bytes(), static_cast<std::size_t>(a.element_count()) * size_of(a.dtype())) == 0;
}

}  // namespace

TEST_CASE("fused equals unfused in bits, forward and gradient") {
  for (const Case& c : cases())
    for (const std::int64_t n : {1, 9, 17, 65})
      for (const Lanes lanes : {Lanes::sixteen, Lanes::one})
        for (const Dtype dtype : {Dtype::f32, Dtype::f64})
          for (const First first : {First::no, First::yes}) {
            INFO(c.name, ", ", n, " columns, lanes ", static_cast<int>(lanes), ", ", std::string(name_of(dtype)), ", first layer ",
                 first == First::yes);
            const Outcome fused = run(c, n, lanes, Force::no, dtype, first), plain = run(c, n, lanes, Force::yes, dtype, first);
            for (std::size_t i = 0; i < fused.tensors.size(); ++i) {
              INFO("tensor ", i);
              CHECK(same_bits(fused.tensors[i], plain.tensors[i]));
            }
            const bool ran_fused = std::find(fused.ops.begin(), fused.ops.end(), c.fused_op) != fused.ops.end();
            CHECK(ran_fused == (lanes == Lanes::sixteen && !c.fused_op.empty()));
          }
}

TEST_CASE("gradients of every chain in double") {
  const Net net;
  for (const Case& c : cases())
    for (const std::int64_t n : {1, 9}) {
      INFO(c.name);
      const ColumnsPtr columns = sample_columns(n, Lanes::sixteen);
      const std::vector<Tensor> inputs = {plain_of(oracle::random_values(*net.pattern, 1), Dtype::f64),
                                          plain_of(oracle::random_values(6, 2), Dtype::f64),
                                          pack_rows(oracle::random_values(net.in.size() * n, 3), net.in.shape(), columns),
                                          pack_rows(oracle::random_values(net.out.size() * n, 4), net.out.shape(), columns)};
      const GradcheckResult result = gradcheck(
          [&](Tape&, const std::vector<Var>& v) {
            return c.graph(net, {v[0], v[1], v[2], v[3]}, Force::no);
          },
          inputs, {.step = 1e-5, .most = 60});  // statistics of a batch amplify rounding
      INFO(result.report);
      CHECK(result.passed);
    }
}

TEST_CASE("the product's gradient in double on every pattern") {
  for (const oracle::PatternCase& c : oracle::pattern_cases())
    for (const std::int64_t n : {1, 9}) {
      INFO(c.name, ", ", n, " columns");
      const PatternPtr& s = c.pattern;
      const Tensor values = plain_of(oracle::random_values(*s, 1), Dtype::f64);
      const Tensor x = pack_rows(oracle::random_values(s->cols() * n, 2), {s->cols()}, sample_columns(n));
      Tape tape;
      const Var v = tape.leaf(values), in = tape.leaf(x);
      const Var y = spmm(s, v, Var(), in, {s->rows()});
      const oracle::Values d64 = oracle::random_values(s->rows() * n, 3);
      const Gradients g = tape.backward(sum(y * tape.input(pack_rows(d64, {s->rows()}, sample_columns(n)))));
      // ⟨d, Sx⟩ = ⟨Sᵀd, x⟩ = ⟨dθ, θ⟩, and a difference quotient that is exact for a linear map.
      const double paired = oracle::dot(d64, unpack_rows<double>(y.value()));
      CHECK(oracle::dot(unpack_rows<double>(g.of(in)), oracle::random_values(s->cols() * n, 2)) == doctest::Approx(paired).epsilon(1e-10));
      CHECK(oracle::dot(unpack_rows<double>(g.of(v)), unpack_rows<double>(values)) == doctest::Approx(paired).epsilon(1e-10));
    }
}

TEST_CASE("a product of the wrong size names both sides") {
  Tape tape;
  const Net net;
  const Var values = tape.leaf(plain_of(oracle::random_values(*net.pattern, 1), Dtype::f64));
  const Var x = tape.input(pack_rows(oracle::random_values(40 * 3, 1), {40}, sample_columns(3)));
  CHECK_THROWS_WITH_AS(spmm(net.pattern, values, Var(), x, net.out.shape()), doctest::Contains("S is 210 x 105"), ShapeError);
  CHECK_THROWS_WITH_AS(spmm(net.pattern, values, Var(), x, net.out.shape()), doctest::Contains("X has 40 rows"), ShapeError);
}

TEST_CASE("a steady step allocates no tensor storage and the tape reports its bytes") {
  const Net net;
  Tape tape;
  const Tensor values = plain_of(oracle::random_values(*net.pattern, 1), Dtype::f32),
               bias = plain_of(oracle::random_values(6, 2), Dtype::f32);
  const Tensor x = cast(pack_rows(oracle::random_values(net.in.size() * 33, 3), net.in.shape(), sample_columns(33)), Dtype::f32);
  std::int64_t allocations = 0;
  for (int i = 0; i < 4; ++i) {
    tape.reset(i);
    const Var v = tape.leaf(values), b = tape.leaf(bias);
    const Var y = max_pool2d(relu(spmm(net.pattern, v, b, tape.leaf(x), net.out.shape())), net.out, 2, 2, 0);
    tape.backward(sum(y));
    if (i == 1) allocations = tape.pool().allocations();
    if (i > 1) CHECK(tape.pool().allocations() == allocations);
    CHECK(tape.records().front().op == "spmm+relu+max");
    CHECK(tape.records().front().output_bytes == 3 * 2 * 6 * 48 * 4);     // the full lattice never exists
    CHECK(tape.records().front().saved_bytes == 3 * 2 * 6 * 48 * 4 / 8);  // four bits a choice
  }
}
