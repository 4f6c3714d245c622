#include <weft/layers/initialise.hpp>

#include <algorithm>
#include <cmath>

namespace weft::initialise {

namespace {

double symmetric(const Random& draws, std::uint64_t i, double bound) { return (2 * draws.uniform(i) - 1) * bound; }

double variance_kaiming(double a, Fans fans) { return 2 / ((1 + a * a) * std::max(fans.in, 1.0)); }

double variance_xavier(double gain, Fans fans) { return gain * gain * 2 / std::max(fans.in + fans.out, 1.0); }

}  // namespace

Initialiser kaiming_uniform(double a) {
  return [a](const Random& draws, std::uint64_t i, Fans fans) { return symmetric(draws, i, std::sqrt(3 * variance_kaiming(a, fans))); };
}

Initialiser kaiming_normal(double a) {
  return [a](const Random& draws, std::uint64_t i, Fans fans) { return draws.normal(i) * std::sqrt(variance_kaiming(a, fans)); };
}

Initialiser xavier_uniform(double gain) {
  return
      [gain](const Random& draws, std::uint64_t i, Fans fans) { return symmetric(draws, i, std::sqrt(3 * variance_xavier(gain, fans))); };
}

Initialiser xavier_normal(double gain) {
  return [gain](const Random& draws, std::uint64_t i, Fans fans) { return draws.normal(i) * std::sqrt(variance_xavier(gain, fans)); };
}

Initialiser truncated_normal(double deviation) {
  return [deviation](const Random& draws, std::uint64_t i, Fans) {
    constexpr std::uint64_t kTries = 16;  // all of them outside two deviations: once in 10^21 draws
    for (std::uint64_t t = 0; t < kTries; ++t)
      if (const double z = draws.normal(i * kTries + t); std::abs(z) <= 2) return z * deviation;
    return 0.0;
  };
}

Initialiser constant(double value) {
  return [value](const Random&, std::uint64_t, Fans) { return value; };
}

Initialiser torch_default() { return kaiming_uniform(std::sqrt(5.0)); }

}  // namespace weft::initialise
