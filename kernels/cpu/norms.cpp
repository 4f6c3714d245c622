// Layer normalisation: y = gamma·(x - mean)/sqrt(variance + eps) + beta along each column. x lies [tile][leading row][channel][lane].
#include <weft/kernels/norms.hpp>

#include <cmath>

#include <weft/core/error.hpp>
#include <weft/kernels/cpu/lines.hpp>

namespace weft::kernels {

namespace {

/// Calls f(zero of the dtype, lanes as a constant).
template <class F>
void by_form(const Tensor& x, const Lines& lines, F&& f) {
  by_float(x.dtype(), [&](auto zero) { by_lanes(lines.lanes, [&](auto lanes) { f(zero, lanes); }); });
}

}  // namespace

void layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double eps, const Tensor& y, const Tensor& mean,
                const Tensor& scale) {
  const Lines lines(x);
  by_form(x, lines, [&](auto zero, auto lanes) {
    using T = decltype(zero);
    constexpr int kLanes = decltype(lanes)::value;
    parallel_for(lines.count, [&](std::int64_t line) {
      const T* in = lines.of<T>(x, line);
      T* out = lines.of<T>(y, line);
      double* middle = lines.head_of<double>(mean, line);
      double* factor = lines.head_of<double>(scale, line);
      const double length = static_cast<double>(lines.length);
      double sum[kLanes] = {}, squares[kLanes] = {};
      for (std::int64_t i = 0; i < lines.length * kLanes; i += kLanes)
        for (int l = 0; l < kLanes; ++l) sum[l] += static_cast<double>(in[i + l]);
      for (int l = 0; l < kLanes; ++l) middle[l] = sum[l] / length;
      for (std::int64_t i = 0; i < lines.length * kLanes; i += kLanes)
        for (int l = 0; l < kLanes; ++l) {
          const double gap = static_cast<double>(in[i + l]) - middle[l];
          squares[l] += gap * gap;
        }
      for (int l = 0; l < kLanes; ++l) factor[l] = 1 / std::sqrt(squares[l] / length + eps);
      for (std::int64_t c = 0; c < lines.length; ++c) {
        const T stretch = gamma.data<T>()[c], shift = beta.data<T>()[c];
        for (int l = 0; l < kLanes; ++l)
          out[c * kLanes + l] = static_cast<T>((static_cast<double>(in[c * kLanes + l]) - middle[l]) * factor[l]) * stretch + shift;
      }
    });
  });
}

void layer_norm_grad(const Tensor& x, const Tensor& gamma, const Tensor& mean, const Tensor& scale, const Tensor& dy, const Tensor& dx) {
  const Lines lines(x);
  by_form(x, lines, [&](auto zero, auto lanes) {
    using T = decltype(zero);
    constexpr int kLanes = decltype(lanes)::value;
    parallel_for(lines.count, [&](std::int64_t line) {
      const T* in = lines.of<T>(x, line);
      const T* slope = lines.of<T>(dy, line);
      T* out = lines.of<T>(dx, line);
      const double* middle = lines.head_of<double>(mean, line);
      const double* factor = lines.head_of<double>(scale, line);
      const double length = static_cast<double>(lines.length);
      double sum[kLanes] = {}, along[kLanes] = {};
      for (std::int64_t c = 0; c < lines.length; ++c)
        for (int l = 0; l < kLanes; ++l) {
          const double d = static_cast<double>(slope[c * kLanes + l]) * static_cast<double>(gamma.data<T>()[c]);
          sum[l] += d;
          along[l] += d * ((static_cast<double>(in[c * kLanes + l]) - middle[l]) * factor[l]);
        }
      for (std::int64_t c = 0; c < lines.length; ++c)
        for (int l = 0; l < kLanes; ++l) {
          const double d = static_cast<double>(slope[c * kLanes + l]) * static_cast<double>(gamma.data<T>()[c]);
          const double place = (static_cast<double>(in[c * kLanes + l]) - middle[l]) * factor[l];
          out[c * kLanes + l] = static_cast<T>(factor[l] * (d - sum[l] / length - place * (along[l] / length)));
        }
    });
  });
}

std::vector<double> layer_norm_gradients(const Tensor& x, const Tensor& mean, const Tensor& scale, const Tensor& dy) {
  const Lines lines(x);
  std::vector<double> sums;
  by_form(x, lines, [&](auto zero, auto lanes) {
    using T = decltype(zero);
    constexpr int kLanes = decltype(lanes)::value;
    sums = sum_lines(lines, 2, [&](std::int64_t line, double* sum) {
      const T* in = lines.of<T>(x, line);
      const T* slope = lines.of<T>(dy, line);
      const double* middle = lines.head_of<double>(mean, line);
      const double* factor = lines.head_of<double>(scale, line);
      double* scaled = sum + lines.length * kLanes;
      for (std::int64_t c = 0; c < lines.length; ++c)
        for (int l = 0; l < kLanes; ++l) {
          const double d = static_cast<double>(slope[c * kLanes + l]);
          sum[c * kLanes + l] += d;
          scaled[c * kLanes + l] += d * ((static_cast<double>(in[c * kLanes + l]) - middle[l]) * factor[l]);
        }
    });
  });
  return sums;
}

}  // namespace weft::kernels
