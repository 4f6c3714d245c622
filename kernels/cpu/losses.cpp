// Cross-entropy and squared error as sums over valid columns, and their gradients. Logits lie [tile][leading row][class][lane].
// A column's loss is computed in its lane; lanes and parts are added as lines.hpp says.
#include <weft/kernels/losses.hpp>

#include <weft/kernels/cpu/lines.hpp>

namespace weft::kernels {

namespace {

Columns columns_of(const Tensor& x) { return x.is_tiled() ? *x.columns() : Columns{1, 1, 0}; }

/// Calls f(tile, lanes counted from the block's first column, valid lanes of the tile) for the tiles of a block of 16 columns.
template <class F>
void for_tiles_of_block(const Columns& columns, std::int64_t block, F&& f) {
  if (columns.lanes != 1) return f(block, 0, columns.valid_lanes(block));
  const std::int64_t first = block * Columns::kTileLanes;
  for (std::int64_t tile = first; tile < std::min(first + Columns::kTileLanes, columns.count); ++tile)
    f(tile, static_cast<int>(tile - first), 1);
}

struct Entropy {
  const Tensor& logits;
  const Tensor& targets;
  double smoothing;
  std::int32_t ignore;
  const Tensor& log_sum;
};

/// Adds the losses of one line to lane[0 … valid).
template <class T, int kLanes>
void entropy_line(const Entropy& e, const Lines& lines, std::int64_t line, int valid, double* lane) {
  const T* x = lines.of<T>(e.logits, line);
  const std::int32_t* target = lines.head_of<std::int32_t>(e.targets, line);
  double* log_sum = lines.head_of<double>(e.log_sum, line);
  T top[kLanes];
  line_top<T, kLanes>(x, lines.length, top);
  line_exp_sum<T, kLanes>(x, lines.length, top, log_sum, nullptr);
  map_run({Map::log}, log_sum, log_sum, kLanes);
  for (int l = 0; l < kLanes; ++l) log_sum[l] += static_cast<double>(top[l]);
  for (int l = 0; l < valid; ++l) {
    if (target[l] == e.ignore) continue;
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
void entropy_line_grad(const Entropy& e, const Lines& lines, std::int64_t line, int valid, double scale, T* out) {
  const T* x = lines.of<T>(e.logits, line);
  const std::int32_t* target = lines.head_of<std::int32_t>(e.targets, line);
  const double* log_sum = lines.head_of<double>(e.log_sum, line);
  T weight[kLanes];
  for (int l = 0; l < kLanes; ++l) weight[l] = l < valid && target[l] != e.ignore ? static_cast<T>(scale) : T{0};
  const T spread = static_cast<T>(e.smoothing / static_cast<double>(lines.length));
  for (std::int64_t i = 0; i < lines.length * kLanes; i += kLanes)
    for (int l = 0; l < kLanes; ++l) out[i + l] = static_cast<T>(static_cast<double>(x[i + l]) - log_sum[l]);
  map_run({Map::exp}, out, out, lines.length * kLanes);
  for (std::int64_t i = 0; i < lines.length * kLanes; i += kLanes)
    for (int l = 0; l < kLanes; ++l) out[i + l] = weight[l] == 0 ? T{0} : weight[l] * (out[i + l] - spread);
  for (int l = 0; l < valid; ++l)
    if (weight[l] != 0) out[target[l] * kLanes + l] -= weight[l] * static_cast<T>(1 - e.smoothing);
}

}  // namespace

double cross_entropy(const Tensor& logits, const Tensor& targets, double smoothing, std::int32_t ignore, const Tensor& log_sum) {
  const Lines lines(logits);
  const Columns columns = columns_of(logits);
  const Entropy entropy{logits, targets, smoothing, ignore, log_sum};
  double total = 0;
  by_float(logits.dtype(), [&](auto zero) {
    by_lanes(columns.lanes, [&](auto lanes) {
      total = sum_columns(columns, [&](std::int64_t block, double* lane) {
        for_tiles_of_block(columns, block, [&](std::int64_t tile, int first, int valid) {
          for (std::int64_t row = 0; row < lines.lead; ++row)
            entropy_line<decltype(zero), decltype(lanes)::value>(entropy, lines, tile * lines.lead + row, valid, lane + first);
        });
      });
    });
  });
  return total;
}

void cross_entropy_grad(const Tensor& logits, const Tensor& targets, double smoothing, std::int32_t ignore, const Tensor& log_sum,
                        double scale, const Tensor& dlogits) {
  const Lines lines(logits);
  const Columns columns = columns_of(logits);
  const Entropy entropy{logits, targets, smoothing, ignore, log_sum};
  by_float(logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    by_lanes(columns.lanes, [&](auto lanes) {
      parallel_for(lines.count, [&](std::int64_t line) {
        const int valid = columns.valid_lanes(lines.tile_of(line));
        entropy_line_grad<T, decltype(lanes)::value>(entropy, lines, line, valid, scale, lines.of<T>(dlogits, line));
      });
    });
  });
}

double squared_error(const Tensor& x, const Tensor& target) {
  const Columns columns = columns_of(x);
  double total = 0;
  by_float(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    total = sum_columns(columns, [&](std::int64_t block, double* lane) {
      for_tiles_of_block(columns, block, [&](std::int64_t tile, int first, int valid) {
        const T* left = x.data<T>() + tile * x.tile_stride();
        const T* right = target.data<T>() + tile * target.tile_stride();
        for (std::int64_t row = 0; row < x.row_count(); ++row)
          for (int l = 0; l < valid; ++l) {
            const double gap = static_cast<double>(left[row * columns.lanes + l]) - static_cast<double>(right[row * columns.lanes + l]);
            lane[first + l] += gap * gap;
          }
      });
    });
  });
  return total;
}

void squared_error_grad(const Tensor& x, const Tensor& target, double scale, const Tensor& dx) {
  const Columns columns = columns_of(x);
  by_float(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T factor = static_cast<T>(2 * scale);
    parallel_for(columns.tiles(), [&](std::int64_t tile) {
      const T* left = x.data<T>() + tile * x.tile_stride();
      const T* right = target.data<T>() + tile * target.tile_stride();
      T* out = dx.data<T>() + tile * dx.tile_stride();
      const int valid = columns.valid_lanes(tile);
      for (std::int64_t i = 0; i < x.row_count() * columns.lanes; i += columns.lanes)
        for (int l = 0; l < columns.lanes; ++l) out[i + l] = l < valid ? factor * (left[i + l] - right[i + l]) : T{0};
    });
  });
}

}  // namespace weft::kernels
