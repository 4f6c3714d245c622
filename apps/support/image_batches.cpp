#include <weft/apps/support/image_batches.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include <weft/core/error.hpp>
#include <weft/core/random.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

/// Images [h, w, c, N] with left and right exchanged.
Tensor mirrored(const Tensor& x, const Pool& pool) {
  const std::int64_t h = x.rows()[0], w = x.rows()[1],
                     bytes = x.rows()[2] * x.columns()->lanes * static_cast<std::int64_t>(size_of(x.dtype()));
  const std::int64_t tile_bytes = x.tile_stride() * static_cast<std::int64_t>(size_of(x.dtype()));
  const Tensor out = Tensor::tiled(x.dtype(), x.rows(), x.columns(), pool);
  for (std::int64_t tile = 0; tile < x.columns()->tiles(); ++tile)
    for (std::int64_t pixel = 0; pixel < h * w; ++pixel) {
      const std::int64_t other = pixel / w * w + (w - 1 - pixel % w);
      std::memcpy(out.bytes() + tile * tile_bytes + pixel * bytes, x.bytes() + tile * tile_bytes + other * bytes,
                  static_cast<std::size_t>(bytes));
    }
  return out;
}

std::uint64_t hash_of(const std::vector<std::int32_t>& labels) {
  return hash_name({reinterpret_cast<const char*>(labels.data()), labels.size() * sizeof(std::int32_t)});
}

void check_shift(const RunOptions& options, Lattice lattice) {
  const int side = std::min(lattice.h, lattice.w);
  if (options.shift >= side)
    throw ConfigError({.op = "options",
                       .path = "shift",
                       .what = cat("shift is ", options.shift, ", it must be less than ", side, ", the side of the images"),
                       .hint = "1 or 2 pixels are usual"});
}

}  // namespace

Lanes lanes_of(const RunOptions& options) {
  return options.lanes == "1" ? Lanes::one : options.lanes == "16" ? Lanes::sixteen : Lanes::by_count;
}

LoaderOptions loader_options(const RunOptions& options, const ImageSet& train) {
  ChannelStatistics statistics = channel_statistics(train);
  LoaderOptions loader;
  loader.batch = options.batch;
  loader.seed = options.seed;
  loader.shift = options.shift;
  loader.fill = options.fill == "reflect" ? Fill::reflect : Fill::zero;
  loader.flip = options.flip ? Flip::yes : Flip::no;
  loader.cutout = static_cast<int>(std::lround(options.cutout * std::min(train.lattice.h, train.lattice.w)));
  loader.last = options.drop_last ? LastBatch::drop : LastBatch::keep;
  loader.mean = std::move(statistics.mean);
  loader.std = std::move(statistics.std);
  loader.lanes = lanes_of(options);
  return loader;
}

TrainingData image_batches(const ImageData& data, const RunOptions& options) {
  check_shift(options, data.train.lattice);
  const LoaderOptions training = loader_options(options, data.train), evaluation = training.for_evaluation();
  TrainingData batches;
  batches.name = data.name, batches.source = data.source, batches.samples = "images";
  batches.classes = data.train.classes;
  batches.train_size = data.train.size, batches.validation_size = data.validation.size, batches.test_size = data.test.size;
  batches.fingerprint = hash_of(data.train.labels);
  batches.train = std::make_unique<Loader>(data.train, training);
  batches.test = std::make_unique<Loader>(data.test, evaluation);
  if (data.validation.size > 0) batches.validation = std::make_unique<Loader>(data.validation, evaluation);
  batches.input = data.train.lattice.shape();
  if (options.flip) batches.mirror = mirrored;
  return batches;
}

}  // namespace weft
