#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <omp.h>

#include <weft/autograd/gradcheck.hpp>
#include <weft/autograd/ops.hpp>
#include <weft/core/error.hpp>
#include <weft/core/parallel.hpp>
#include <weft/core/random.hpp>
#include <weft/tests/checks/op_rows.hpp>

using namespace weft;
using namespace weft::oracle;

namespace {

/// The value of input `input` at (row, n): the same whatever the columns and lanes.
double value_at(const Input& input, std::size_t number, std::int64_t row, std::int64_t n) {
  const Random random(42, 100 + number);
  const double v = input.lo + (input.hi - input.lo) * random.uniform(static_cast<std::uint64_t>(row * 100003 + n));
  for (const double kink : {0.0, -0.7, 0.6})
    if (std::abs(v - kink) < input.gap) return kink + input.gap;
  return v;
}

enum class Padding { last_column, other_columns };

Tensor make(const Input& input, std::size_t number, const ColumnsPtr& columns, Dtype dtype, Padding padding = Padding::last_column) {
  const std::int64_t n = input.tiled ? columns->count : 1, size = input.rows.size();
  Values values;
  for (std::int64_t row = 0; row < size; ++row)
    for (std::int64_t column = 0; column < n; ++column) values.push_back(value_at(input, number, row, column));
  if (!input.tiled) {
    const Tensor plain = Tensor::plain(Dtype::f64, input.rows);
    std::copy(values.begin(), values.end(), plain.data<double>());
    return cast(plain, dtype);
  }
  const Tensor t = pack_rows(values, input.rows, columns);
  if (padding == Padding::other_columns)
    for (std::int64_t column = n; column < columns->padded(); ++column)
      for (std::int64_t row = 0; row < size; ++row)
        t.data<double>()[column / columns->lanes * t.tile_stride() + row * columns->lanes + column % columns->lanes] =
            value_at(input, number, row, 5 * column % n);
  return cast(t, dtype);
}

std::vector<Tensor> inputs_of(const Row& row, const ColumnsPtr& columns, Dtype dtype, Padding padding = Padding::last_column) {
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < row.inputs.size(); ++i) inputs.push_back(make(row.inputs[i], i, columns, dtype, padding));
  return inputs;
}

std::string bytes_of(const Tensor& t) {
  const Tensor whole = t.clone();
  return {reinterpret_cast<const char*>(whole.bytes()), static_cast<std::size_t>(whole.element_count()) * size_of(whole.dtype())};
}

std::string valid_bytes_of(const Tensor& t) {
  return by_float(t.dtype(), [&](auto zero) {
    const auto values = unpack_rows<decltype(zero)>(t);
    return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(zero));
  });
}

/// Weights for an output, the same in every run.
Tensor weights_like(const Tensor& y) {
  const Random random(42, 7);
  const Tensor weights = y.clone();
  for (std::int64_t i = 0; i < y.element_count(); ++i)
    by_float(y.dtype(), [&](auto zero) {
      weights.data<decltype(zero)>()[i] = static_cast<decltype(zero)>(random.uniform(static_cast<std::uint64_t>(i)) + 0.5);
    });
  return weights;
}

/// A copy in which -0 is 0: what padding lanes hold is zero, its sign is nobody's.
Tensor positive_zeros(const Tensor& t) {
  const Tensor copy = t.clone();
  by_float(t.dtype(), [&](auto zero) {
    for (std::int64_t i = 0; i < copy.element_count(); ++i)
      if (copy.data<decltype(zero)>()[i] == 0) copy.data<decltype(zero)>()[i] = 0;
  });
  return copy;
}

struct Outcome {
  std::string valid, whole;            ///< bytes of the output: valid columns, and all
  std::vector<std::string> gradients;  ///< whole storage, padding included; its zeros may differ in sign
  bool operator==(const Outcome&) const = default;
};

Outcome run(const Row& row, Tape& tape, const std::vector<Tensor>& inputs) {
  tape.reset(1);
  Vars vars;
  for (const Tensor& input : inputs) vars.push_back(tape.leaf(input));
  const Var y = row.op(tape, vars);
  const Tensor weights = weights_like(y.value());
  const Gradients gradients = tape.backward(sum(y * tape.input(weights)));
  Outcome outcome{valid_bytes_of(y.value()), bytes_of(y.value()), {}};
  for (const Var& x : vars) outcome.gradients.push_back(gradients.of(x).defined() ? bytes_of(positive_zeros(gradients.of(x))) : "none");
  return outcome;
}

Outcome run(const Row& row, const std::vector<Tensor>& inputs) {
  Tape tape;
  return run(row, tape, inputs);
}

/// Leaves buffers of every small size in the pool, filled with NaN.
void poison(const Pool& pool) {
  for (std::int64_t bytes = 64; bytes <= 16384; bytes += bytes < 4096 ? 64 : 256) {
    std::vector<std::shared_ptr<std::byte>> held;
    for (int i = 0; i < (bytes < 2048 ? 12 : 6); ++i)
      std::memset(held.emplace_back(pool.take(bytes)).get(), 0xFF, static_cast<std::size_t>(bytes));
  }
}

struct Form {
  std::int64_t n;
  Lanes lanes;
};
constexpr Form kForms[] = {{1, Lanes::one},     {1, Lanes::sixteen}, {9, Lanes::one},
                           {9, Lanes::sixteen}, {17, Lanes::one},    {17, Lanes::sixteen}};

template <class F>
void for_each_form(F&& f) {
  for (const Row& row : rows())
    for (const Form& form : kForms) {
      CAPTURE(row.declaration);
      CAPTURE(form.n);
      CAPTURE((form.lanes == Lanes::one));
      f(row, sample_columns(form.n, form.lanes));
    }
}

}  // namespace

TEST_CASE("every op of ops.hpp has a row, and every row an op") {
  const std::regex declaration(R"(^(?:inline )?(?:Var|Loss) ([^)]*\)))");
  std::set<std::string> declared, tested;
  for (const char* name : {"autograd/ops.hpp", "autograd/ops/glue.hpp"}) {
    std::ifstream header(std::filesystem::path(WEFT_SOURCE_DIR) / name);
    REQUIRE(header);
    for (std::string line; std::getline(header, line);)
      if (std::smatch found; std::regex_search(line, found, declaration)) declared.insert(found[1]);
  }
  for (const Row& row : rows()) tested.insert(row.declaration);
  CHECK(declared.size() > 40);
  for (const std::string& each : declared) CHECK_MESSAGE(tested.count(each) == 1, "no row for " << each);
  for (const std::string& each : tested) CHECK_MESSAGE(declared.count(each) == 1, "not in ops.hpp: " << each);
}

TEST_CASE("values agree with loops in double") {
  for_each_form([](const Row& row, const ColumnsPtr& columns) {
    Arrays arrays;
    for (const Tensor& input : inputs_of(row, columns, Dtype::f64)) arrays.push_back(unpack_rows<double>(input));
    const Values expected = row.expected(arrays, columns->count);
    for (const Dtype dtype : {Dtype::f64, Dtype::f32}) {
      Tape tape;
      tape.reset(1);
      Vars vars;
      for (const Tensor& input : inputs_of(row, columns, dtype)) vars.push_back(tape.input(input));
      const Values found = unpack_rows<double>(cast(row.op(tape, vars).detach(), Dtype::f64));
      REQUIRE(found.size() == expected.size());
      const double tolerance = dtype == Dtype::f64 ? 1e-12 : 2e-5;
      for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - expected[i]) <= tolerance * (1 + std::abs(expected[i])));
    }
  });
}

TEST_CASE("gradients agree with central differences, and padding gets none") {
  for_each_form([](const Row& row, const ColumnsPtr& columns) {
    const GradcheckResult result = gradcheck(row.op, inputs_of(row, columns, Dtype::f64));
    CHECK_MESSAGE(result.passed, result.report);
  });
}

TEST_CASE("copies of other valid columns in the padding change no bit") {
  for_each_form([](const Row& row, const ColumnsPtr& columns) {
    for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
      const Outcome last = run(row, inputs_of(row, columns, dtype)),
                    other = run(row, inputs_of(row, columns, dtype, Padding::other_columns));
      CHECK((last.valid == other.valid));  // bytes: not for printing
      CHECK(last.gradients == other.gradients);
    }
  });
}

TEST_CASE("outputs and gradients never read what the pool's buffers held") {
  for_each_form([](const Row& row, const ColumnsPtr& columns) {
    for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
      const std::vector<Tensor> inputs = inputs_of(row, columns, dtype);
      Tape tape;
      poison(tape.pool());
      const std::int64_t before = tape.pool().allocations();
      CHECK(run(row, tape, inputs) == run(row, inputs));
      CHECK(tape.pool().allocations() == before);  // every buffer used was a poisoned one
    }
  });
}

TEST_CASE("a second step allocates no storage") {
  for_each_form([](const Row& row, const ColumnsPtr& columns) {
    const std::vector<Tensor> inputs = inputs_of(row, columns, Dtype::f32);
    Tape tape;
    const Outcome first = run(row, tape, inputs);
    const std::int64_t before = tape.pool().allocations();
    CHECK(run(row, tape, inputs) == first);
    CHECK(tape.pool().allocations() == before);
  });
}

TEST_CASE("row views give the bits of contiguous inputs") {
  for_each_form([](const Row& row, const ColumnsPtr& columns) {
    Row viewed = row;
    for (std::size_t i = 0; i < row.inputs.size(); ++i) {
      Shape& shape = viewed.inputs[i].rows;
      if (row.inputs[i].tiled) shape = {shape.size() + 2};
    }
    viewed.op = [&row](Tape& tape, const Vars& wide) {
      Vars narrow;
      for (std::size_t i = 0; i < wide.size(); ++i)
        narrow.push_back(row.inputs[i].tiled ? reshape(slice(wide[i], 1, row.inputs[i].rows.size() + 1), row.inputs[i].rows) : wide[i]);
      return row.op(tape, narrow);
    };
    const std::vector<Tensor> wide = inputs_of(viewed, columns, Dtype::f32);
    std::vector<Tensor> narrow;
    for (std::size_t i = 0; i < wide.size(); ++i)
      narrow.push_back(row.inputs[i].tiled ? wide[i].slice_rows(1, row.inputs[i].rows.size() + 1).reshape_rows(row.inputs[i].rows).clone()
                                           : wide[i]);
    const Outcome from_views = run(viewed, wide), contiguous = run(row, narrow);
    CHECK((from_views.valid == contiguous.valid));
    for (std::size_t i = 0; i < wide.size(); ++i)
      if (!row.inputs[i].tiled) CHECK((from_views.gradients[i] == contiguous.gradients[i]));
  });
}

TEST_CASE("a batch without columns passes, and gives parameters zero gradients") {
  for (const Row& row : rows())
    for (const Lanes lanes : {Lanes::one, Lanes::sixteen}) {
      CAPTURE(row.declaration);
      const std::vector<Tensor> inputs = inputs_of(row, sample_columns(0, lanes), Dtype::f64);
      Tape tape;
      tape.reset(1);
      Vars vars;
      for (const Tensor& input : inputs) vars.push_back(tape.leaf(input));
      const Var y = row.op(tape, vars);
      const Gradients gradients = tape.backward(sum(y));
      if (y.columns()) CHECK(unpack_rows<double>(y.value()).empty());
      else CHECK(unpack_rows<double>(y.value()) == Values{0});
      for (std::size_t i = 0; i < vars.size(); ++i)
        if (!row.inputs[i].tiled)
          for (const double g : unpack_rows<double>(gradients.of(vars[i]))) CHECK(g == 0);
    }
}

TEST_CASE("equal bits with 1, 2 and 7 threads") {
  const int before = threads();
  for (const Row& row : rows())
    for (const Lanes lanes : {Lanes::one, Lanes::sixteen}) {
      CAPTURE(row.declaration);
      const std::vector<Tensor> inputs = inputs_of(row, sample_columns(1500, lanes), Dtype::f32);
      std::vector<Outcome> outcomes;
      for (const int team : {1, 2, 7}) {
        set_threads(team);
        std::vector<int> seen(static_cast<std::size_t>(team), 0);
        parallel_for(team, [&](std::int64_t i) { seen[static_cast<std::size_t>(i)] = omp_get_num_threads(); });
        REQUIRE(seen == std::vector<int>(static_cast<std::size_t>(team), team));
        outcomes.push_back(run(row, inputs));
      }
      CHECK(outcomes[0] == outcomes[1]);
      CHECK(outcomes[0] == outcomes[2]);
    }
  set_threads(before);
}
