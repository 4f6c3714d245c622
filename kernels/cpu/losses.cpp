// Cross-entropy as a sum over valid columns, and its gradient. Logits lie [tile][leading row][class][lane].
// A column's loss is computed in its lane; lanes and parts are added as lines.hpp says.
#include <weft/kernels/losses.hpp>

#include <weft/kernels/cpu/lines.hpp>

namespace weft::kernels {

namespace {

struct Entropy {
  const Tensor& logits;
  const Tensor& targets;
  double smoothing;
  std::int32_t ignore;
  const Tensor& log_sum;
  Columns columns = columns_of(logits);
  CountedRows counted{logits.rows(), Lines(logits).lead};

  /// Whether the leading row of a line is counted in lane l, and has a target.
  bool takes(const Lines& lines, std::int64_t line, int l, std::int32_t target) const {
    return target != ignore && line % lines.lead < counted.of(columns, lines.tile_of(line) * columns.lanes + l);
  }
};

/// Adds the losses of one line to lane[0 … lanes).
template <class T, int kLanes>
void entropy_line(const Entropy& e, const Lines& lines, std::int64_t line, double* lane) {
  const T* x = lines.of<T>(e.logits, line);
  const std::int32_t* target = lines.head_of<std::int32_t>(e.targets, line);
  double* log_sum = lines.head_of<double>(e.log_sum, line);
  T top[kLanes];
  line_top<T, kLanes>(x, lines.length, top);
  line_exp_sum<T, kLanes>(x, lines.length, top, log_sum, nullptr);
  map_run({Map::log}, log_sum, log_sum, kLanes);
  for (int l = 0; l < kLanes; ++l) log_sum[l] += static_cast<double>(top[l]);
  for (int l = 0; l < kLanes; ++l) {
    if (!e.takes(lines, line, l, target[l])) continue;
    double loss = (1 - e.smoothing) * (log_sum[l] - static_cast<double>(x[target[l] * kLanes + l]));
    if (e.smoothing != 0) {
      double all = 0;
      for (std::int64_t c = 0; c < lines.length; ++c) all += log_sum[l] - static_cast<double>(x[c * kLanes + l]);
      loss += e.smoothing / static_cast<double>(lines.length) * all;
    }
    lane[l] += loss;
  }
}

template <class T, int kLanes>
void entropy_line_grad(const Entropy& e, const Lines& lines, std::int64_t line, double scale, T* out) {
  const T* x = lines.of<T>(e.logits, line);
  const std::int32_t* target = lines.head_of<std::int32_t>(e.targets, line);
  const double* log_sum = lines.head_of<double>(e.log_sum, line);
  T weight[kLanes];
  for (int l = 0; l < kLanes; ++l) weight[l] = e.takes(lines, line, l, target[l]) ? static_cast<T>(scale) : T{0};
  const T spread = static_cast<T>(e.smoothing / static_cast<double>(lines.length));
  for (std::int64_t i = 0; i < lines.length * kLanes; i += kLanes)
    for (int l = 0; l < kLanes; ++l) out[i + l] = static_cast<T>(static_cast<double>(x[i + l]) - log_sum[l]);
  map_run({Map::exp}, out, out, lines.length * kLanes);
  for (std::int64_t i = 0; i < lines.length * kLanes; i += kLanes)
    for (int l = 0; l < kLanes; ++l) out[i + l] = weight[l] == 0 ? T{0} : weight[l] * (out[i + l] - spread);
  for (int l = 0; l < kLanes; ++l)
    if (weight[l] != 0) out[target[l] * kLanes + l] -= weight[l] * static_cast<T>(1 - e.smoothing);
}

}  // namespace

double cross_entropy(const Tensor& logits, const Tensor& targets, double smoothing, std::int32_t ignore, const Tensor& log_sum) {
  const Lines lines(logits);
  const Entropy entropy{logits, targets, smoothing, ignore, log_sum};
  double total = 0;
  by_float(logits.dtype(), [&](auto zero) {
    by_lanes(lines.lanes, [&](auto lanes) {
      total = sum_columns(entropy.columns, [&](std::int64_t block, double* lane) {
        for_tiles_of_block(entropy.columns, block, [&](std::int64_t tile, int first, int) {
          for (std::int64_t row = 0; row < lines.lead; ++row)
            entropy_line<decltype(zero), decltype(lanes)::value>(entropy, lines, tile * lines.lead + row, lane + first);
        });
      });
    });
  });
  return total;
}

void cross_entropy_grad(const Tensor& logits, const Tensor& targets, double smoothing, std::int32_t ignore, const Tensor& log_sum,
                        double scale, const Tensor& dlogits) {
  const Lines lines(logits);
  const Entropy entropy{logits, targets, smoothing, ignore, log_sum};
  by_float(logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    by_lanes(lines.lanes, [&](auto lanes) {
      parallel_for(lines.count, [&](std::int64_t line) {
        entropy_line_grad<T, decltype(lanes)::value>(entropy, lines, line, scale, lines.of<T>(dlogits, line));
      });
    });
  });
}

}  // namespace weft::kernels
