// A training step of the MNIST network at batch 128: what it allocates, holds and keeps for backward.

#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft.hpp>
#include <weft/apps/models/mnist_cnn.hpp>
#include <weft/tests/oracle/oracle.hpp>

using namespace weft;

namespace {

struct Step {
  ParamStore params{Device(), 42};
  MnistCnn net{Scope{params, Form::sparse}, {28, 28, 1}, {.classes = 10, .density = 1, .dropout = 0.1}};
  Adam adam{params, {}};
  Tape tape;
  ColumnsPtr columns = sample_columns(128);
  Tensor x = cast(pack_rows(oracle::random_values(784 * 128, 1), {28, 28, 1}, columns), Dtype::f32);
  Tensor targets = pack_rows(std::vector<std::int32_t>(128, 3), {1}, columns);

  void run(std::int64_t step) {
    tape.reset(step, Mode::train);
    adam.step(tape.backward(cross_entropy(net(tape.input(x)), targets).mean()), 1e-3);
  }
};

}  // namespace

TEST_CASE("a steady step of the whole network allocates no tensor storage and stays under 60 MB") {
  Step step;
  step.run(0);
  step.run(1);
  const std::int64_t allocations = step.tape.pool().allocations();
  for (int i = 2; i < 6; ++i) step.run(i);
  CHECK(step.tape.pool().allocations() == allocations);
  const std::int64_t parameters = 4 * 4 * step.params.parameter_count();  // value, gradient, two moments
  MESSAGE("batch 128: the pool holds ", step.tape.pool().bytes(), " bytes, parameters and their moments ", parameters);
  CHECK(step.tape.pool().bytes() + parameters < 60'000'000);
}

TEST_CASE("the tape reports what each op keeps, and the full lattice is not among it") {
  Step step;
  step.tape.reset(0, Mode::train);
  cross_entropy(step.net(step.tape.input(step.x)), step.targets).mean().value();
  const auto records = step.tape.records();
  REQUIRE(records.size() >= 5);
  CHECK(records[0].op == "spmm+relu+max");
  CHECK(records[0].path == "p1");  // the last layer of the chain that ran as one
  CHECK(records[0].output_bytes == 14 * 14 * 16 * 128 * 4);
  CHECK(records[1].op == "spmm+relu+max");
  CHECK(records[1].output_bytes == 7 * 7 * 32 * 128 * 4);
  for (const auto& record : records) CHECK(record.output_bytes <= 14 * 14 * 16 * 128 * 4);
}
