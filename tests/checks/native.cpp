// The ops of the native form: gradients, bits, errors.
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <weft/autograd/gradcheck.hpp>
#include <weft/autograd/ops.hpp>
#include <weft/autograd/ops/native.hpp>
#include <weft/core/error.hpp>
#include <weft/core/parallel.hpp>
#include <weft/core/value_layout.hpp>
#include <weft/kernels/kernel_table.hpp>
#include <weft/tests/checks/drawn.hpp>

using namespace weft;
using namespace weft::checks;

namespace {

std::vector<ColumnsPtr> some_columns() {
  std::vector<ColumnsPtr> all;
  for (const std::int64_t n : {1, 9, 17})
    for (const Lanes lanes : {Lanes::one, Lanes::sixteen}) all.push_back(sample_columns(n, lanes));
  return all;
}

struct NativeOp {
  std::string name;
  std::int64_t weight, bias;  ///< elements; 0 for none
  Shape rows;
  std::function<Var(Var weight, Var bias, Var x)> call;
};

std::int64_t stored(int height, int width, int groups = 1) { return groups * ValueLayout{BlockKind::dense, height, width}.slot_size(); }

NativeOp linear_op(std::string name, Shape rows, int out, bool bias) {
  return {std::move(name), stored(out, static_cast<int>(rows.back())), bias ? out : 0, rows,
          [out](Var w, Var b, Var x) { return native_linear(w, b, x, out); }};
}

NativeOp conv_op(std::string name, Lattice in, int c_out, patterns::Conv2dOptions o, bool bias = true) {
  const int k = o.kernel * o.kernel * in.c / o.groups;
  return {std::move(name), stored(c_out / o.groups, k, o.groups), bias ? c_out : 0, in.shape(),
          [=](Var w, Var b, Var x) { return native_conv2d(w, b, x, in, c_out, o); }};
}

NativeOp transposed_op(std::string name, Lattice in, int c_out, patterns::Conv2dOptions o, int output_pad = 0, bool bias = true) {
  const int m = o.kernel * o.kernel * c_out / o.groups;
  return {std::move(name), stored(m, in.c / o.groups, o.groups), bias ? c_out : 0, in.shape(),
          [=](Var w, Var b, Var x) { return native_conv_transpose2d(w, b, x, in, c_out, o, output_pad); }};
}

NativeOp pool_op(std::string name, Lattice in, patterns::Pool2dOptions o) {
  return {std::move(name), 0, 0, in.shape(), [=](Var, Var, Var x) { return native_avg_pool2d(x, in, o); }};
}

std::vector<NativeOp> native_ops() {
  return {
      linear_op("linear 7 -> 5", {7}, 5, true),
      linear_op("linear 1 -> 1", {1}, 1, true),
      linear_op("linear 3 -> 50 on 2 rows, no bias", {2, 3}, 50, false),
      conv_op("conv", {4, 5, 2}, 3, {}),
      conv_op("conv padded, strided", {5, 4, 2}, 17, {.kernel = 3, .stride = 2, .pad = 1}),
      conv_op("conv dilated, no bias", {5, 5, 1}, 2, {.kernel = 3, .pad = 1, .dilation = 2}, false),
      conv_op("conv in groups", {3, 3, 4}, 6, {.kernel = 2, .groups = 2}),
      conv_op("depthwise conv", {3, 3, 3}, 3, {.kernel = 3, .pad = 1, .groups = 3}),
      conv_op("depthwise conv of one pixel", {2, 2, 3}, 3, {.kernel = 1, .groups = 3}),
      transposed_op("transposed conv", {3, 2, 3}, 2, {}),
      transposed_op("transposed conv strided", {2, 3, 4}, 6, {.kernel = 3, .stride = 2, .pad = 1, .groups = 2}, 1),
      transposed_op("transposed conv dilated, no bias", {2, 2, 2}, 5, {.kernel = 2, .dilation = 2}, 0, false),
      pool_op("average pool", {4, 5, 2}, {.kernel = 2}),
      pool_op("average pool overlapping", {5, 5, 3}, {.kernel = 3, .stride = 2, .pad = 1}),
  };
}

using Results = std::vector<std::vector<double>>;

/// Value and gradients of an op; computed twice on one tape, the second time into buffers that the first has left full of NaN.
Results results_of(const NativeOp& op, Dtype dtype) {
  const Tensor x = cast(normal_rows(op.rows, sample_columns(40), 1), dtype), w = cast(normal_plain(op.weight, 2), dtype);
  const Tensor b = cast(normal_plain(op.bias, 3), dtype);
  Tape tape;
  Results results;
  for (int round = 0; round < 2; ++round) {
    tape.reset(round);
    const Var xv = tape.leaf(x), wv = tape.leaf(w), bv = tape.leaf(b), y = op.call(wv, bv, xv);
    const Gradients g = tape.backward(sum(y * y));
    Results now;
    for (const Tensor& t : {y.value(), g.of(xv), g.of(wv), g.of(bv)}) {
      now.push_back(doubles(t));
      t.fill(NAN);
    }
    if (round > 0) CHECK(now == results);
    results = now;
  }
  return results;
}

}  // namespace

TEST_CASE("native ops have the gradients of central differences") {
  for (const NativeOp& op : native_ops())
    for (const ColumnsPtr& columns : some_columns()) {
      std::vector<Tensor> inputs{normal_rows(op.rows, columns, 1)};
      if (op.weight > 0) inputs.push_back(normal_plain(op.weight, 2));
      if (op.bias > 0) inputs.push_back(normal_plain(op.bias, 3));
      const auto f = [&](Tape&, const std::vector<Var>& v) {
        return op.call(v.size() > 1 ? v[1] : Var(), v.size() > 2 ? v[2] : Var(), v[0]);
      };
      const GradcheckResult result = gradcheck(f, inputs, {.most = 150});
      INFO(op.name, ", N = ", columns->count, ", ", columns->lanes, " lanes\n", result.report);
      CHECK(result.passed);
    }
}

TEST_CASE("native ops have equal bits for any number of threads, with AVX2 and AVX-512, over poisoned buffers") {
  const int before = threads();
  for (const NativeOp& op : {conv_op("conv", {28, 28, 5}, 33, {.kernel = 3, .pad = 1}), linear_op("linear", {3, 40}, 70, true),
                             transposed_op("transposed conv", {9, 9, 20}, 5, {.kernel = 3, .stride = 2})})
    for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
      const Results first = results_of(op, dtype);
      for (const int team : {1, 2, 7}) {
        set_threads(team);
        for (const std::string& isa : kernels::available_isas()) {
          if (isa != "AVX2" && isa != "AVX3") continue;
          kernels::use_isa(isa);
          INFO(op.name, ", ", std::string(name_of(dtype)), ", ", team, " threads, ", isa);
          CHECK(results_of(op, dtype) == first);
        }
      }
      kernels::use_isa("");
      set_threads(before);
    }
}

TEST_CASE("native ops refuse what does not fit") {
  Tape tape;
  const Var x = tape.input(normal_rows({4, 4, 2}, sample_columns(9), 1)), flat = tape.input(normal_rows({6}, sample_columns(9), 1));
  const Var w = tape.input(normal_plain(7, 1)), b = tape.input(normal_plain(3, 1));
  const Var fits = tape.input(normal_plain(stored(5, 6), 1)), single = tape.input(cast(normal_plain(stored(5, 6), 1), Dtype::f32));
  CHECK_THROWS_AS(native_linear(w, Var(), flat, 5), ShapeError);
  CHECK_THROWS_AS(native_linear(fits, b, flat, 5), ShapeError);
  CHECK_THROWS_AS(native_linear(fits, Var(), flat, 0), ShapeError);
  CHECK_THROWS_AS(native_linear(single, Var(), flat, 5), UsageError);
  CHECK_THROWS_AS(native_linear(fits, Var(), b, 5), ShapeError);
  CHECK_THROWS_AS(native_conv2d(w, Var(), x, {4, 4, 2}, 3, {}), ShapeError);
  CHECK_THROWS_AS(native_conv2d(w, Var(), x, {4, 5, 2}, 3, {}), ShapeError);
  CHECK_THROWS_AS(native_conv_transpose2d(w, Var(), x, {4, 4, 2}, 3, {}, 0), ShapeError);
  CHECK_THROWS_AS(native_avg_pool2d(x, {5, 4, 2}, {}), ShapeError);
}
