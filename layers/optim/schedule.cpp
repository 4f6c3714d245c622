#include <weft/layers/optim/schedule.hpp>

#include <algorithm>
#include <cmath>
#include <numbers>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft::schedules {

namespace {

void require_warmup(std::int64_t warmup) {
  if (warmup < 0) throw ConfigError({.op = "schedule", .what = cat("a warm-up of ", warmup, " steps"), .hint = "give 0 or more"});
}

/// The share of the rate reached in the warm-up: (step + 1) / (warmup + 1).
double rise(std::int64_t step, std::int64_t warmup) { return static_cast<double>(step + 1) / static_cast<double>(warmup + 1); }

/// How much of the fall from `warmup` to `total` is behind, in [0, 1].
double fallen(std::int64_t step, std::int64_t warmup, std::int64_t total) {
  if (total <= warmup) return 1;
  return std::clamp(static_cast<double>(step - warmup) / static_cast<double>(total - warmup), 0.0, 1.0);
}

void require_peak(double peak) {
  if (!(peak > 0 && peak < 1))
    throw ConfigError({.op = "schedule", .what = cat("the peak lies at ", peak, " of all steps"), .hint = "give a share inside (0, 1)"});
}

/// How much of a run lies before the middle of a step.
double behind(std::int64_t step, std::int64_t total) {
  return std::clamp((static_cast<double>(step) + 0.5) / static_cast<double>(std::max<std::int64_t>(total, 1)), 0.0, 1.0);
}

/// From a at 0 to b at 1 along half a cosine.
double ease(double a, double b, double share) { return a + (b - a) * 0.5 * (1 - std::cos(std::numbers::pi * share)); }

}  // namespace

Schedule constant(double lr) {
  return [lr](std::int64_t, std::int64_t) { return lr; };
}

Schedule step(double lr, std::int64_t every, double factor) {
  if (every < 1) throw ConfigError({.op = "schedule", .what = cat("a step every ", every, " steps"), .hint = "give 1 or more"});
  return [=](std::int64_t at, std::int64_t) { return lr * std::pow(factor, static_cast<double>(at / every)); };
}

Schedule cosine(double lr, std::int64_t warmup, double last) {
  require_warmup(warmup);
  return [=](std::int64_t at, std::int64_t total) {
    if (at < warmup) return lr * rise(at, warmup);
    return last + (lr - last) * 0.5 * (1 + std::cos(std::numbers::pi * fallen(at, warmup, total)));
  };
}

Schedule linear_to_zero(double lr, std::int64_t warmup) {
  require_warmup(warmup);
  return [=](std::int64_t at, std::int64_t total) {
    if (at < warmup) return lr * rise(at, warmup);
    return lr * (1 - fallen(at, warmup, total));
  };
}

Schedule triangle(double lr, double peak) {
  require_peak(peak);
  return [=](std::int64_t at, std::int64_t total) {
    const double t = behind(at, total);
    return lr * (t < peak ? t / peak : (1 - t) / (1 - peak));
  };
}

Schedule one_cycle(double lr, double peak) {
  require_peak(peak);
  return [=](std::int64_t at, std::int64_t total) {
    const double t = behind(at, total);
    return t < peak ? ease(lr / 25, lr, t / peak) : ease(lr, 0, (t - peak) / (1 - peak));
  };
}

}  // namespace weft::schedules
