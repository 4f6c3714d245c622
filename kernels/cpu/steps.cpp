// Reductions over time and their gradients. Values lie [tile][outer][step][inner][lane]: a line is the steps of one (outer, inner), a
// lane each. Bound by memory.
#include <weft/kernels/steps.hpp>

#include <algorithm>
#include <type_traits>

#include <weft/kernels/cpu/lines.hpp>

namespace weft::kernels {

namespace {

/// One line of a tile in the tensor over time and in the one without.
template <class Number, int kLanes>
struct StepLine {
  using T = Number;
  T* steps;  ///< step t, lane l at steps[t·stride + l]
  T* whole;  ///< lane l at whole[l]
  std::int32_t* where;
  std::int64_t stride, length[kLanes], longest = 0;
};

/// Calls f(line) for each line of `over_time`, whose lengths are counted. `where` may be undefined.
template <class F>
void for_step_lines(const StepAxis& axis, const Tensor& over_time, const Tensor& whole, const Tensor& where, F&& f) {
  const Columns columns = columns_of(over_time);
  const std::int64_t lines = axis.outer * axis.inner;
  by_float(over_time.dtype(), [&](auto zero) {
    by_lanes(columns.lanes, [&](auto lanes) {
      using T = decltype(zero);
      constexpr int kLanes = decltype(lanes)::value;
      parallel_for(columns.tiles() * lines, [&](std::int64_t item) {
        const std::int64_t tile = item / lines, row = item % lines;
        const std::int64_t first = (row / axis.inner * axis.steps * axis.inner + row % axis.inner) * kLanes;
        StepLine<T, kLanes> line;
        line.steps = over_time.data<T>() + tile * over_time.tile_stride() + first;
        line.whole = whole.data<T>() + tile * whole.tile_stride() + row * kLanes;
        line.where = where.defined() ? where.data<std::int32_t>() + tile * where.tile_stride() + row * kLanes : nullptr;
        line.stride = axis.inner * kLanes;
        for (int l = 0; l < kLanes; ++l) {
          line.length[l] = columns.length(tile * kLanes + l, axis.steps);
          line.longest = std::max(line.longest, line.length[l]);
        }
        f(line, lanes);
      });
    });
  });
}

}  // namespace

void mean_steps(const StepAxis& axis, const Tensor& x, const Tensor& y) {
  for_step_lines(axis, x, y, {}, [](const auto& line, auto lanes) {
    using T = typename std::decay_t<decltype(line)>::T;
    constexpr int kLanes = decltype(lanes)::value;
    double sum[kLanes] = {};
    for (std::int64_t t = 0; t < line.longest; ++t)
      for (int l = 0; l < kLanes; ++l)
        if (t < line.length[l]) sum[l] += static_cast<double>(line.steps[t * line.stride + l]);
    for (int l = 0; l < kLanes; ++l) {
      const double mean = line.length[l] == 0 ? 0 : sum[l] / static_cast<double>(line.length[l]);
      line.whole[l] = static_cast<T>(mean);
    }
  });
}

void mean_steps_grad(const StepAxis& axis, const Tensor& dy, const Tensor& dx) {
  for_step_lines(axis, dx, dy, {}, [&](const auto& line, auto lanes) {
    using T = typename std::decay_t<decltype(line)>::T;
    constexpr int kLanes = decltype(lanes)::value;
    T share[kLanes];
    for (int l = 0; l < kLanes; ++l)
      share[l] = line.length[l] == 0 ? T{0} : static_cast<T>(static_cast<double>(line.whole[l]) / static_cast<double>(line.length[l]));
    for (std::int64_t t = 0; t < axis.steps; ++t)
      for (int l = 0; l < kLanes; ++l) line.steps[t * line.stride + l] = t < line.length[l] ? share[l] : T{0};
  });
}

void max_steps(const StepAxis& axis, const Tensor& x, const Tensor& y, const Tensor& where) {
  for_step_lines(axis, x, y, where, [](const auto& line, auto lanes) {
    using T = typename std::decay_t<decltype(line)>::T;
    for (int l = 0; l < decltype(lanes)::value; ++l) {
      T best{0};
      std::int32_t at = -1;
      for (std::int64_t t = 0; t < line.length[l]; ++t) {
        const T value = line.steps[t * line.stride + l];
        if (at < 0 || value > best || (value != value && best == best)) best = value, at = static_cast<std::int32_t>(t);  // NaN wins
      }
      line.whole[l] = best;
      line.where[l] = at;
    }
  });
}

void last_step(const StepAxis& axis, const Tensor& x, const Tensor& y, const Tensor& where) {
  for_step_lines(axis, x, y, where, [](const auto& line, auto lanes) {
    using T = typename std::decay_t<decltype(line)>::T;
    for (int l = 0; l < decltype(lanes)::value; ++l) {
      const std::int64_t last = line.length[l] - 1;
      line.whole[l] = last < 0 ? T{0} : line.steps[last * line.stride + l];
      line.where[l] = static_cast<std::int32_t>(last);
    }
  });
}

void place_step(const StepAxis& axis, const Tensor& where, const Tensor& dy, const Tensor& dx) {
  for_step_lines(axis, dx, dy, where, [&](const auto& line, auto lanes) {
    using T = typename std::decay_t<decltype(line)>::T;
    constexpr int kLanes = decltype(lanes)::value;
    for (std::int64_t t = 0; t < axis.steps; ++t)
      for (int l = 0; l < kLanes; ++l) line.steps[t * line.stride + l] = line.where[l] == t ? line.whole[l] : T{0};
  });
}

void repeat_steps(const StepAxis& axis, const Tensor& x, const Tensor& y) {
  for_step_lines(axis, y, x, {}, [&](const auto& line, auto lanes) {
    for (std::int64_t t = 0; t < axis.steps; ++t) std::copy_n(line.whole, decltype(lanes)::value, line.steps + t * line.stride);
  });
}

void repeat_steps_grad(const StepAxis& axis, const Tensor& dy, const Tensor& dx) {
  for_step_lines(axis, dy, dx, {}, [&](const auto& line, auto lanes) {
    using T = typename std::decay_t<decltype(line)>::T;
    constexpr int kLanes = decltype(lanes)::value;
    double sum[kLanes] = {};
    for (std::int64_t t = 0; t < axis.steps; ++t)
      for (int l = 0; l < kLanes; ++l) sum[l] += static_cast<double>(line.steps[t * line.stride + l]);
    for (int l = 0; l < kLanes; ++l) line.whole[l] = static_cast<T>(sum[l]);
  });
}

}  // namespace weft::kernels
