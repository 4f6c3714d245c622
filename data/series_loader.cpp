#include <weft/data/series_loader.hpp>

#include <algorithm>
#include <numeric>
#include <utility>

#include <weft/core/error.hpp>
#include <weft/core/random.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

void check(const StandardSeries& series, WindowRange windows, const SeriesLoaderOptions& o) {
  if (o.batch < 1) throw UsageError({.op = "series_loader", .what = cat("batch is ", o.batch), .hint = "give at least 1"});
  if (o.size.look_back < 1 || o.size.horizon < 1)
    throw UsageError({.op = "series_loader",
                      .what = cat("look_back is ", o.size.look_back, " and horizon ", o.size.horizon),
                      .hint = "give at least 1 each"});
  if (o.dtype != Dtype::f32 && o.dtype != Dtype::f64)
    throw UsageError({.op = "series_loader", .what = cat("dtype is ", name_of(o.dtype)), .hint = "give f32 or f64"});
  const std::int64_t end = windows.first + windows.count - 1 + o.size.horizon;
  if (windows.count < 0 || windows.first < o.size.look_back || end > series.steps)
    throw UsageError({.op = "series_loader",
                      .what = cat("the windows reach from step ", windows.first - o.size.look_back, " to ", end, ", the series have ",
                                  series.steps, " steps"),
                      .hint = "take the windows that windows_of gives"});
}

}  // namespace

SeriesLoader::SeriesLoader(std::shared_ptr<const StandardSeries> series, WindowRange windows, SeriesLoaderOptions options)
    : series_(std::move(series)), windows_(windows), options_(options) {
  check(*series_, windows_, options_);
  at_ = batches();
}

std::int64_t SeriesLoader::batches() const {
  return size() / options_.batch + (options_.last == LastBatch::keep && size() % options_.batch != 0 ? 1 : 0);
}

void SeriesLoader::begin(std::int64_t epoch, std::int64_t first_batch) {
  if (epoch < 0 || first_batch < 0 || first_batch > batches())
    throw UsageError({.op = "series_loader",
                      .what = cat("begin(", epoch, ", ", first_batch, "), an epoch has ", batches(), " batches"),
                      .hint = "epochs and batches count from 0"});
  if (order_epoch_ != epoch) draw_order(epoch);
  at_ = first_batch;
}

/// Fisher-Yates on a stream of its own for each epoch.
void SeriesLoader::draw_order(std::int64_t epoch) {
  order_.resize(static_cast<std::size_t>(size()));
  std::iota(order_.begin(), order_.end(), std::int64_t{0});
  const Random draws(options_.seed, hash_name(cat("series/order/", epoch)));
  if (options_.shuffle == Shuffle::yes)
    for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[draws.below(i, static_cast<std::uint32_t>(i))]);
  order_epoch_ = epoch;
}

bool SeriesLoader::next(Batch& out) {
  out = {};
  if (at_ >= batches()) return false;
  const std::int64_t first = at_++ * options_.batch;
  const ColumnsPtr columns = sample_columns(std::min<std::int64_t>(options_.batch, size() - first), options_.lanes);
  out.x = Tensor::tiled(options_.dtype, input(), columns, pool_);
  out.targets = Tensor::tiled(options_.dtype, rows(options_.size.horizon), columns, pool_);
  by_float(options_.dtype, [&](auto zero) {
    fill<decltype(zero)>(out.x, first, -options_.size.look_back, options_.size.look_back);
    fill<decltype(zero)>(out.targets, first, 0, options_.size.horizon);
  });
  return true;
}

Shape SeriesLoader::rows(std::int64_t steps) const {
  const std::int64_t channels = options_.sample == SampleOf::all_series ? series_->count() : 1;
  return options_.axes == SeriesAxes::time_last ? Shape{channels, steps} : Shape{steps, channels};
}

/// `steps` values of each column's series, beginning `offset` steps from where its horizon does.
template <class T>
void SeriesLoader::fill(const Tensor& to, std::int64_t first, std::int64_t offset, std::int64_t steps) const {
  const Columns& columns = *to.columns();
  const std::int64_t channels = to.row_count() / steps, lanes = columns.lanes;
  const bool time_last = options_.axes == SeriesAxes::time_last;
  const std::int64_t step_stride = lanes * (time_last ? 1 : channels), channel_stride = lanes * (time_last ? steps : 1);
  for (std::int64_t n = 0; n < columns.padded(); ++n) {
    const std::int64_t sample = order_[static_cast<std::size_t>(first + std::min(n, columns.count - 1))];
    const std::int64_t begin = windows_.first + sample % windows_.count + offset;
    T* const lane = to.data<T>() + n / lanes * to.tile_stride() + n % lanes;
    for (std::int64_t c = 0; c < channels; ++c) {
      const double* const line = series_->of(sample / windows_.count + c) + begin;
      for (std::int64_t t = 0; t < steps; ++t) lane[c * channel_stride + t * step_stride] = static_cast<T>(line[t]);
    }
  }
}

}  // namespace weft
