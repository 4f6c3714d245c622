// Losses of single predictions as sums over valid columns, and their gradients. Values lie [tile][row][lane]; rows are taken in runs that
// fit the stack, so that exponentials go through map_run. A column's loss is summed in its lane; lanes and parts as lines.hpp says.
#include <weft/kernels/losses.hpp>

#include <cmath>

#include <weft/kernels/cpu/lines.hpp>

namespace weft::kernels {

namespace {

constexpr std::int64_t kRun = 512;  // elements

template <class T>
double gap(T x, T target) {
  return static_cast<double>(x) - static_cast<double>(target);
}

/// terms = log(1 + exp(-|x|)).
template <class T>
void soft_part(const T* x, std::int64_t n, double* terms) {
  for (std::int64_t i = 0; i < n; ++i) terms[i] = -std::abs(static_cast<double>(x[i]));
  map_run({Map::exp}, terms, terms, n);
  for (std::int64_t i = 0; i < n; ++i) terms[i] += 1;
  map_run({Map::log}, terms, terms, n);
}

/// terms = the loss of each of n <= kRun elements.
template <class T>
void loss_run(const PointLoss& loss, const T* x, const T* target, std::int64_t n, double* terms) {
  switch (loss.kind) {
    case PointLoss::Kind::squared:
      for (std::int64_t i = 0; i < n; ++i) terms[i] = gap(x[i], target[i]) * gap(x[i], target[i]);
      return;
    case PointLoss::Kind::absolute:
      for (std::int64_t i = 0; i < n; ++i) terms[i] = std::abs(gap(x[i], target[i]));
      return;
    case PointLoss::Kind::huber:
      for (std::int64_t i = 0; i < n; ++i) {
        const double far = std::abs(gap(x[i], target[i]));
        terms[i] = far <= loss.delta ? 0.5 * far * far : loss.delta * (far - 0.5 * loss.delta);
      }
      return;
    case PointLoss::Kind::bce_with_logits:
      soft_part(x, n, terms);
      for (std::int64_t i = 0; i < n; ++i) {
        const double logit = static_cast<double>(x[i]);
        terms[i] += std::max(logit, 0.0) - logit * static_cast<double>(target[i]);
      }
  }
}

/// slopes = d loss/dx of each element.
template <class T>
void slope_run(const PointLoss& loss, const T* x, const T* target, std::int64_t n, T* slopes) {
  const T bend = static_cast<T>(loss.delta);
  switch (loss.kind) {
    case PointLoss::Kind::squared:
      for (std::int64_t i = 0; i < n; ++i) slopes[i] = 2 * (x[i] - target[i]);
      return;
    case PointLoss::Kind::absolute:
      for (std::int64_t i = 0; i < n; ++i) slopes[i] = static_cast<T>((x[i] > target[i]) - (x[i] < target[i]));
      return;
    case PointLoss::Kind::huber:
      for (std::int64_t i = 0; i < n; ++i) slopes[i] = std::clamp(x[i] - target[i], -bend, bend);
      return;
    case PointLoss::Kind::bce_with_logits:
      map_run({Map::sigmoid}, x, slopes, n);
      for (std::int64_t i = 0; i < n; ++i) slopes[i] -= target[i];
  }
}

/// Rows that are counted in each lane of a tile, and the most of any lane.
struct TileRows {
  std::int64_t of[Columns::kTileLanes] = {}, most = 0;

  TileRows(const CountedRows& counted, const Columns& columns, std::int64_t tile) {
    for (int l = 0; l < columns.lanes; ++l) most = std::max(most, of[l] = counted.of(columns, tile * columns.lanes + l));
  }
};

/// Adds the losses of one tile to lane[0 … lanes).
template <class T>
void add_tile(const PointLoss& loss, const T* x, const T* target, const TileRows& rows, int lanes, double* lane) {
  const std::int64_t step = kRun / lanes;
  double terms[kRun];
  for (std::int64_t first = 0; first < rows.most; first += step) {
    const std::int64_t count = std::min(step, rows.most - first);
    loss_run(loss, x + first * lanes, target + first * lanes, count * lanes, terms);
    for (std::int64_t row = 0; row < count; ++row)
      for (int l = 0; l < lanes; ++l)
        if (first + row < rows.of[l]) lane[l] += terms[row * lanes + l];
  }
}

}  // namespace

double point_loss(const PointLoss& loss, const Tensor& x, const Tensor& target) {
  const Columns columns = columns_of(x);
  const CountedRows counted(x.rows(), x.row_count());
  double total = 0;
  by_float(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    total = sum_columns(columns, [&](std::int64_t block, double* lane) {
      for_tiles_of_block(columns, block, [&](std::int64_t tile, int first, int) {
        add_tile(loss, x.data<T>() + tile * x.tile_stride(), target.data<T>() + tile * target.tile_stride(),
                 TileRows(counted, columns, tile), columns.lanes, lane + first);
      });
    });
  });
  return total;
}

void point_loss_grad(const PointLoss& loss, const Tensor& x, const Tensor& target, double scale, const Tensor& dx) {
  const Columns columns = columns_of(x);
  const CountedRows counted(x.rows(), x.row_count());
  by_float(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T factor = static_cast<T>(scale);
    parallel_for(columns.tiles(), [&](std::int64_t tile) {
      const TileRows rows(counted, columns, tile);
      T* out = dx.data<T>() + tile * dx.tile_stride();
      slope_run(loss, x.data<T>() + tile * x.tile_stride(), target.data<T>() + tile * target.tile_stride(), x.row_count() * columns.lanes,
                out);
      for (std::int64_t row = 0; row < x.row_count(); ++row, out += columns.lanes)
        for (int l = 0; l < columns.lanes; ++l) out[l] = row < rows.of[l] ? factor * out[l] : T{0};
    });
  });
}

}  // namespace weft::kernels
