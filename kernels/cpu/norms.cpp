// y = gamma·(x - mean)/sqrt(variance + eps) + beta, per channel (batch) or per column (layer). x lies [tile][leading row][channel][lane].
// Batch statistics: two passes, each channel's 16 lane sums in parts fixed by the shape (lines.hpp). Bound by memory.
#include <weft/kernels/norms.hpp>

#include <cmath>

#include <weft/core/error.hpp>
#include <weft/kernels/cpu/lines.hpp>

namespace weft::kernels {

namespace {

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

int valid_lanes(const Tensor& x, std::int64_t tile) { return x.is_tiled() ? x.columns()->valid_lanes(tile) : 1; }

/// Calls f(zero of the dtype, lanes as a constant).
template <class F>
void by_form(const Tensor& x, const Lines& lines, F&& f) {
  by_float(x.dtype(), [&](auto zero) { by_lanes(lines.lanes, [&](auto lanes) { f(zero, lanes); }); });
}

std::vector<double> reciprocal_deviations(const ChannelStatistics& statistics, double eps) {
  std::vector<double> scale;
  for (const double variance : statistics.variance) scale.push_back(1 / std::sqrt(variance + eps));
  return scale;
}

/// Σ (x - shift)^power over valid columns, per channel.
std::vector<double> moments(const Tensor& x, const Lines& lines, const double* shift, int power) {
  std::vector<double> sums;
  by_form(x, lines, [&](auto zero, auto lanes) {
    using T = decltype(zero);
    constexpr int kLanes = decltype(lanes)::value;
    sums = sum_lines(lines, 1, [&](std::int64_t line, double* sum) {
      const T* in = lines.of<T>(x, line);
      const int valid = valid_lanes(x, lines.tile_of(line));
      for (std::int64_t c = 0; c < lines.length; ++c)
        for (int l = 0; l < kLanes; ++l) {
          const double gap = static_cast<double>(in[c * kLanes + l]) - (shift != nullptr ? shift[c] : 0);
          sum[c * kLanes + l] += l < valid ? (power == 1 ? gap : gap * gap) : 0;
        }
    });
  });
  return sums;
}

}  // namespace

ChannelStatistics channel_statistics(const Tensor& x) {
  const Lines lines(x);
  ChannelStatistics statistics;
  statistics.count = lines.lead * (x.is_tiled() ? x.columns()->count : 1);
  const double count = static_cast<double>(std::max<std::int64_t>(1, statistics.count));
  statistics.mean = moments(x, lines, nullptr, 1);
  for (double& mean : statistics.mean) mean /= count;
  statistics.variance = moments(x, lines, statistics.mean.data(), 2);
  for (double& variance : statistics.variance) variance /= count;
  return statistics;
}

void normalise_channels(const Tensor& x, const ChannelStatistics& statistics, const Tensor& gamma, const Tensor& beta, double eps,
                        const Tensor& y) {
  const Lines lines(x);
  const std::vector<double> deviation = reciprocal_deviations(statistics, eps);
  by_form(x, lines, [&](auto zero, auto lanes) {
    using T = decltype(zero);
    constexpr int kLanes = decltype(lanes)::value;
    parallel_for(lines.count, [&](std::int64_t line) {
      const T* in = lines.of<T>(x, line);
      T* out = lines.of<T>(y, line);
      for (std::int64_t c = 0; c < lines.length; ++c) {
        const T mean = static_cast<T>(statistics.mean[index(c)]);
        const T scale = static_cast<T>(deviation[index(c)] * static_cast<double>(gamma.data<T>()[c]));
        const T shift = beta.data<T>()[c];
        for (int l = 0; l < kLanes; ++l) out[c * kLanes + l] = (in[c * kLanes + l] - mean) * scale + shift;
      }
    });
  });
}

std::vector<double> channel_gradients(const Tensor& x, const ChannelStatistics& statistics, double eps, const Tensor& dy) {
  const Lines lines(x);
  const std::vector<double> deviation = reciprocal_deviations(statistics, eps);
  std::vector<double> sums;
  by_form(x, lines, [&](auto zero, auto lanes) {
    using T = decltype(zero);
    constexpr int kLanes = decltype(lanes)::value;
    sums = sum_lines(lines, 2, [&](std::int64_t line, double* sum) {
      const T* in = lines.of<T>(x, line);
      const T* slope = lines.of<T>(dy, line);
      double* scaled = sum + lines.length * kLanes;
      for (std::int64_t c = 0; c < lines.length; ++c)
        for (int l = 0; l < kLanes; ++l) {  // dy is zero in padding lanes
          const double d = static_cast<double>(slope[c * kLanes + l]);
          sum[c * kLanes + l] += d;
          scaled[c * kLanes + l] += d * ((static_cast<double>(in[c * kLanes + l]) - statistics.mean[index(c)]) * deviation[index(c)]);
        }
    });
  });
  return sums;
}

void normalise_channels_grad(const Tensor& x, const ChannelStatistics& statistics, const Tensor& gamma, double eps, const Tensor& dy,
                             std::span<const double> sums, const Tensor& dx) {
  const Lines lines(x);
  const std::vector<double> deviation = reciprocal_deviations(statistics, eps);
  const double count = static_cast<double>(statistics.count);
  by_form(x, lines, [&](auto zero, auto lanes) {
    using T = decltype(zero);
    constexpr int kLanes = decltype(lanes)::value;
    parallel_for(lines.count, [&](std::int64_t line) {
      const T* in = lines.of<T>(x, line);
      const T* slope = lines.of<T>(dy, line);
      T* out = lines.of<T>(dx, line);
      const int valid = valid_lanes(x, lines.tile_of(line));
      for (std::int64_t c = 0; c < lines.length; ++c) {
        const T mean = static_cast<T>(statistics.mean[index(c)]);
        const T scale = static_cast<T>(deviation[index(c)] * static_cast<double>(gamma.data<T>()[c]));
        const T shared = static_cast<T>(sums[index(c)] / count);
        const T along = static_cast<T>(sums[index(lines.length + c)] / count * deviation[index(c)]);
        for (int l = 0; l < kLanes; ++l) {
          const T through = shared + (in[c * kLanes + l] - mean) * along;
          out[c * kLanes + l] = l < valid ? scale * (slope[c * kLanes + l] - through) : T{0};
        }
      }
    });
  });
}

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
