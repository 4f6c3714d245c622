// Back-propagation through 2^14 steps trains, and within 2 GB.
#include <sys/resource.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include <weft/autograd/ops.hpp>
#include <weft/core/patterns.hpp>
#include <weft/layers/linear.hpp>
#include <weft/layers/optim/adam.hpp>
#include <weft/layers/recurrent.hpp>
#include <weft/tests/checks/drawn.hpp>

using namespace weft;
using namespace weft::checks;

namespace {

constexpr std::int64_t kSteps = 1 << 14, kUnits = 128, kColumns = 16;

/// Of each step the first channel one step before.
Tensor delayed(const Tensor& x) {
  const std::vector<float> values = unpack_rows<float>(x);
  std::vector<float> late(static_cast<std::size_t>(kSteps * kColumns), 0);
  for (std::int64_t step = 1; step < kSteps; ++step)
    for (std::int64_t column = 0; column < kColumns; ++column)
      late[static_cast<std::size_t>(step * kColumns + column)] = values[static_cast<std::size_t>((step - 1) * kUnits * kColumns + column)];
  return pack_rows(late, {kSteps, 1}, x.columns());
}

}  // namespace

TEST_CASE("an LSTM of 128 units learns from 16 sequences of 16,384 steps within 2 GB") {
  ParamStore params(Device{}, 7);
  const Lstm lstm(Scope(params) / "lstm", patterns::dilated(kSteps, 1), kUnits, kUnits);
  const Linear head(Scope(params) / "head", kUnits, 1);
  Adam optimizer(params);
  const Tensor x = Tensor::tiled(Dtype::f32, {kSteps, kUnits}, sample_columns(kColumns));
  const Random draws(11, 1);
  for (std::int64_t i = 0; i < x.element_count(); ++i) x.data<float>()[i] = static_cast<float>(draws.normal(static_cast<std::uint64_t>(i)));
  const Tensor targets = delayed(x);
  Tape tape;
  double first = 0, last = 0;
  for (int step = 0; step < 6; ++step) {
    tape.reset(step, Mode::train);
    const Var loss = mse(head(lstm(tape.input(x))), targets).mean();
    last = *loss.value().data<float>();
    if (step == 0) first = last;
    optimizer.step(tape.backward(loss), 0.02);
  }
  INFO(first, " -> ", last);
  CHECK(last < 0.9 * first);
  rusage usage{};
  REQUIRE(getrusage(RUSAGE_SELF, &usage) == 0);
  MESSAGE(first, " -> ", last, ", peak memory ", usage.ru_maxrss / 1024, " MiB");
  CHECK(usage.ru_maxrss * 1024 < 2'000'000'000);
}
