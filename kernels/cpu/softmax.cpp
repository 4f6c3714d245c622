// y = exp(x - max x) / Σ exp(x - max x) along lines [length][lane], its logarithm and their gradients. A line is read twice
// forward while it is in cache; exp dominates.
#include <weft/kernels/softmax.hpp>

#include <weft/kernels/cpu/lines.hpp>

namespace weft::kernels {

namespace {

/// Calls f(line number, zero of the dtype, lanes as a constant) for each line of x.
template <class F>
void for_lines(const Tensor& x, const Lines& lines, F&& f) {
  if (lines.length == 0) return;
  by_float(x.dtype(), [&](auto zero) {
    by_lanes(lines.lanes, [&](auto lanes) { parallel_for(lines.count, [&](std::int64_t line) { f(line, zero, lanes); }); });
  });
}

}  // namespace

void softmax(const Tensor& x, const Tensor& y) {
  const Lines lines(x);
  for_lines(x, lines, [&](std::int64_t line, auto zero, auto lanes) {
    using T = decltype(zero);
    constexpr int kLanes = decltype(lanes)::value;
    const T* in = lines.of<T>(x, line);
    T* out = lines.of<T>(y, line);
    T top[kLanes];
    double sum[kLanes];
    line_top<T, kLanes>(in, lines.length, top);
    line_exp_sum<T, kLanes>(in, lines.length, top, sum, out);
    T scale[kLanes];
    for (int l = 0; l < kLanes; ++l) scale[l] = static_cast<T>(1 / sum[l]);
    for (std::int64_t c = 0; c < lines.length; ++c)
      for (int l = 0; l < kLanes; ++l) out[c * kLanes + l] *= scale[l];
  });
}

void softmax_grad(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  const Lines lines(y);
  for_lines(y, lines, [&](std::int64_t line, auto zero, auto lanes) {
    using T = decltype(zero);
    constexpr int kLanes = decltype(lanes)::value;
    const T* value = lines.of<T>(y, line);
    const T* slope = lines.of<T>(dy, line);
    T* out = lines.of<T>(dx, line);
    double sum[kLanes] = {};
    for (std::int64_t i = 0; i < lines.length * kLanes; i += kLanes)
      for (int l = 0; l < kLanes; ++l) sum[l] += static_cast<double>(value[i + l]) * static_cast<double>(slope[i + l]);
    T mean[kLanes];
    for (int l = 0; l < kLanes; ++l) mean[l] = static_cast<T>(sum[l]);
    for (std::int64_t i = 0; i < lines.length * kLanes; i += kLanes)
      for (int l = 0; l < kLanes; ++l) out[i + l] = value[i + l] * (slope[i + l] - mean[l]);
  });
}

void log_softmax(const Tensor& x, const Tensor& y) {
  const Lines lines(x);
  for_lines(x, lines, [&](std::int64_t line, auto zero, auto lanes) {
    using T = decltype(zero);
    constexpr int kLanes = decltype(lanes)::value;
    const T* in = lines.of<T>(x, line);
    T* out = lines.of<T>(y, line);
    T top[kLanes];
    double sum[kLanes];
    line_top<T, kLanes>(in, lines.length, top);
    line_exp_sum<T, kLanes>(in, lines.length, top, sum, nullptr);
    map_run({Map::log}, sum, sum, kLanes);
    T log_sum[kLanes];
    for (int l = 0; l < kLanes; ++l) log_sum[l] = static_cast<T>(sum[l]);
    for (std::int64_t c = 0; c < lines.length; ++c)
      for (int l = 0; l < kLanes; ++l) out[c * kLanes + l] = in[c * kLanes + l] - top[l] - log_sum[l];
  });
}

void log_softmax_grad(const Tensor& y, const Tensor& dy, const Tensor& dx) {
  const Lines lines(y);
  for_lines(y, lines, [&](std::int64_t line, auto zero, auto lanes) {
    using T = decltype(zero);
    constexpr int kLanes = decltype(lanes)::value;
    const T* slope = lines.of<T>(dy, line);
    T* out = lines.of<T>(dx, line);
    double sum[kLanes] = {};
    for (std::int64_t i = 0; i < lines.length * kLanes; i += kLanes)
      for (int l = 0; l < kLanes; ++l) sum[l] += static_cast<double>(slope[i + l]);
    T total[kLanes];
    for (int l = 0; l < kLanes; ++l) total[l] = static_cast<T>(sum[l]);
    map_run({Map::exp}, lines.of<T>(y, line), out, lines.length * kLanes);
    for (std::int64_t i = 0; i < lines.length * kLanes; i += kLanes)
      for (int l = 0; l < kLanes; ++l) out[i + l] = slope[i + l] - out[i + l] * total[l];
  });
}

}  // namespace weft::kernels
