// acc = acc * a + b in twelve independent f32 vectors: enough for two units of latency four, and they fit the sixteen registers of AVX2.
#include <weft/apps/bench/fma_probe.hpp>

#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "weft/apps/bench/fma_probe.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace weft::bench::HWY_NAMESPACE {

/// Returns a number that depends on every step.
float Probe(std::int64_t steps, float start) {
  const hwy::HWY_NAMESPACE::ScalableTag<float> d;
  const auto a = hwy::HWY_NAMESPACE::Set(d, 0.75F), b = hwy::HWY_NAMESPACE::Set(d, start);
  // Twelve different numbers: equal chains would be one to the compiler.
  const auto from = [&](float more) { return hwy::HWY_NAMESPACE::Set(d, start + more); };
  auto c0 = from(0), c1 = from(1), c2 = from(2), c3 = from(3), c4 = from(4), c5 = from(5);
  auto c6 = from(6), c7 = from(7), c8 = from(8), c9 = from(9), c10 = from(10), c11 = from(11);
  using hwy::HWY_NAMESPACE::Add;
  using hwy::HWY_NAMESPACE::MulAdd;
  for (std::int64_t i = 0; i < steps; ++i) {
    c0 = MulAdd(c0, a, b), c1 = MulAdd(c1, a, b), c2 = MulAdd(c2, a, b), c3 = MulAdd(c3, a, b);
    c4 = MulAdd(c4, a, b), c5 = MulAdd(c5, a, b), c6 = MulAdd(c6, a, b), c7 = MulAdd(c7, a, b);
    c8 = MulAdd(c8, a, b), c9 = MulAdd(c9, a, b), c10 = MulAdd(c10, a, b), c11 = MulAdd(c11, a, b);
  }
  const auto left = Add(Add(Add(c0, c1), Add(c2, c3)), Add(c4, c5));
  const auto right = Add(Add(Add(c6, c7), Add(c8, c9)), Add(c10, c11));
  return hwy::HWY_NAMESPACE::GetLane(Add(left, right));
}

std::int64_t ProbeLanes() { return static_cast<std::int64_t>(hwy::HWY_NAMESPACE::Lanes(hwy::HWY_NAMESPACE::ScalableTag<float>())); }

}  // namespace weft::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <vector>

#include <weft/core/parallel.hpp>

namespace weft::bench {

HWY_EXPORT(Probe);
HWY_EXPORT(ProbeLanes);

namespace {

constexpr std::int64_t kSteps = 8192;  // 0.02 to 0.03 ms on processors with two units

/// The result of each thread, a cache line apart; volatile, so that the work cannot be left out.
struct alignas(64) Sink {
  volatile float start = 0.25F, value = 0;
};

void call_probe(std::vector<Sink>& sinks) {
  parallel_for(static_cast<std::int64_t>(sinks.size()), [&](std::int64_t i) {
    Sink& sink = sinks[static_cast<std::size_t>(i)];
    sink.value = HWY_DYNAMIC_DISPATCH(Probe)(kSteps, sink.start);
  });
}

}  // namespace

double fma_probe_flops() { return 2.0 * 12 * static_cast<double>(kSteps * HWY_DYNAMIC_DISPATCH(ProbeLanes)() * threads()); }

Candidate fma_probe() {
  return timed("fma probe", [sinks = std::vector<Sink>(static_cast<std::size_t>(threads()))]() mutable { call_probe(sinks); });
}

}  // namespace weft::bench
#endif  // HWY_ONCE
