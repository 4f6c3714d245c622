#pragma once

#include <cstdint>
#include <functional>

namespace weft {

/// The learning rate at step `step` (from 0) of `total`: a pure function, so a resumed run continues it.
using Schedule = std::function<double(std::int64_t step, std::int64_t total)>;

namespace schedules {

Schedule constant(double lr);
/// lr·factor^floor(step / every). Throws ConfigError unless every > 0.
Schedule step(double lr, std::int64_t every, double factor);
/// Rises linearly over `warmup` steps to lr (reached at step `warmup`), then falls along half a cosine to `last` at step total.
Schedule cosine(double lr, std::int64_t warmup, double last);
/// Rises the same way, then falls linearly to 0 at step total.
Schedule linear_to_zero(double lr, std::int64_t warmup);
/// Rises linearly from 0 to lr over the share `peak` of all steps, then falls linearly to 0, read at the middle of each step.
/// Throws ConfigError unless 0 < peak < 1.
Schedule triangle(double lr, double peak);
/// Rises along half a cosine from lr/25 to lr over the share `peak` of all steps, then falls along another to 0 (Smith and Topin 2018,
/// arXiv 1708.07120, as PyTorch's OneCycleLR), read at the middle of each step. Throws ConfigError unless 0 < peak < 1.
Schedule one_cycle(double lr, double peak);

}  // namespace schedules

}  // namespace weft
