#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <weft/core/columns.hpp>
#include <weft/core/dtype.hpp>
#include <weft/core/shape.hpp>
#include <weft/core/storage.hpp>
#include <weft/data/batches.hpp>
#include <weft/data/loader.hpp>
#include <weft/data/windows.hpp>

namespace weft {

/// What one sample is.
enum class SampleOf : std::uint8_t {
  all_series,  ///< a window of all C series
  one_series   ///< a window of one of them: C = 1, and as many more samples
};

/// Where x and targets have their steps.
enum class SeriesAxes : std::uint8_t {
  time_last,  ///< [C, T, N]: linear models
  time_first  ///< [T, C, N]: recurrent ones and convolutions
};

/// Which batches a SeriesLoader makes.
struct SeriesLoaderOptions {
  WindowSize size;
  int batch = 32;
  SampleOf sample = SampleOf::all_series;
  SeriesAxes axes = SeriesAxes::time_last;
  Shuffle shuffle = Shuffle::yes;
  std::uint64_t seed = 42;
  LastBatch last = LastBatch::keep;
  Dtype dtype = Dtype::f32;  ///< f32 or f64
  Lanes lanes = Lanes::by_count;
};

/// The batches of windows of series: x the look-back [C, look_back, N], targets the horizon [C, horizon, N], or time first. Windows are
/// cut as they are asked for; storage is reused.
class SeriesLoader final : public Batches {
 public:
  /// Throws UsageError for options outside their range or windows outside the series.
  SeriesLoader(std::shared_ptr<const StandardSeries> series, WindowRange windows, SeriesLoaderOptions options);

  std::int64_t batches() const override;
  void begin(std::int64_t epoch, std::int64_t first_batch = 0) override;
  bool next(Batch& out) override;

  /// Samples of an epoch.
  std::int64_t size() const { return windows_.count * (options_.sample == SampleOf::one_series ? series_->count() : 1); }
  /// Row axes of x.
  Shape input() const { return rows(options_.size.look_back); }

 private:
  Shape rows(std::int64_t steps) const;
  void draw_order(std::int64_t epoch);
  template <class T>
  void fill(const Tensor& to, std::int64_t first, std::int64_t offset, std::int64_t steps) const;

  std::shared_ptr<const StandardSeries> series_;
  WindowRange windows_;
  SeriesLoaderOptions options_;
  Pool pool_;
  std::vector<std::int64_t> order_;  ///< sample of each position: series · windows + window
  std::int64_t order_epoch_ = -1;
  std::int64_t at_;  ///< the next batch
};

}  // namespace weft
