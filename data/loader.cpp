#include <weft/data/loader.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <weft/core/error.hpp>
#include <weft/core/random.hpp>
#include <weft/core/storage.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

constexpr std::size_t kPreparedAhead = 2;
constexpr int kBatchesAlive = static_cast<int>(kPreparedAhead) + 3;  // in the queue, in the making, two with the caller

void check_normalisation(const std::vector<float>& values, const char* name, int channels) {
  if (!values.empty() && values.size() != static_cast<std::size_t>(channels))
    throw UsageError(
        {.op = "loader",
         .what = cat(name, " has ", values.size(), " values, the images have ", channels, channels == 1 ? " channel" : " channels"),
         .hint = "give a value for each channel (channel_statistics does), or none"});
}

void check_shift(const LoaderOptions& o, Lattice in) {
  constexpr int kFarthest = 1 << 20;  // keeps the number of places a small integer
  if (o.shift < 0 || o.shift > kFarthest || o.crop < 0)
    throw UsageError({.op = "loader", .what = cat("shift is ", o.shift, " and crop is ", o.crop), .hint = "0 turns either off"});
  if (o.fill == Fill::reflect && o.shift >= std::min(in.h, in.w))
    throw UsageError({.op = "loader",
                      .what = cat("shift is ", o.shift, ", an image of ", in.shape().str(), " reflects at most ", std::min(in.h, in.w) - 1),
                      .hint = "shift by less, or fill with zero"});
}

void check(const ImageSet& set, const LoaderOptions& o) {
  check_consistent(set, "loader");
  if (o.crop > set.lattice.h || o.crop > set.lattice.w)
    throw ShapeError({.op = "loader", .what = cat("crop is ", o.crop, ", the images are ", set.lattice.shape().str())});
  if (o.cutout < 0 || o.cutout > std::min(set.lattice.h, set.lattice.w))
    throw UsageError(
        {.op = "loader", .what = cat("cutout is ", o.cutout, ", the images are ", set.lattice.shape().str()), .hint = "0 turns it off"});
  if (o.batch < 1) throw UsageError({.op = "loader", .what = cat("batch is ", o.batch), .hint = "give at least 1"});
  check_shift(o, set.lattice);
  check_normalisation(o.mean, "mean", set.lattice.c);
  check_normalisation(o.std, "std", set.lattice.c);
  for (const float deviation : o.std)
    if (!(deviation > 0))
      throw UsageError({.op = "loader", .what = cat("std is ", deviation), .hint = "give the pixels' standard deviation"});
  if (o.dtype != Dtype::f32 && o.dtype != Dtype::f64)
    throw UsageError({.op = "loader", .what = cat("dtype is ", name_of(o.dtype)), .hint = "give f32 or f64"});
}

Lattice cropped(Lattice in, int crop) { return crop == 0 ? in : Lattice{crop, crop, in.c}; }

/// The pixel that lies at `x` when the line [0, size) is mirrored at its ends, -size < x < 2 size - 1.
int reflected(int x, int size) { return x < 0 ? -x : x < size ? x : 2 * (size - 1) - x; }

/// What each byte becomes in each channel: [c][p].
using ValueTable = std::vector<std::array<double, 256>>;

ValueTable normalised(const LoaderOptions& options, int channels) {
  ValueTable table(static_cast<std::size_t>(channels));
  for (std::size_t c = 0; c < table.size(); ++c) {
    const double mean = options.mean.empty() ? 0 : static_cast<double>(options.mean[c]);
    const double deviation = options.std.empty() ? 1 : static_cast<double>(options.std[c]);
    for (std::size_t p = 0; p < table[c].size(); ++p) table[c][p] = (static_cast<double>(p) / 255 - mean) / deviation;
  }
  return table;
}

/// The byte nearest to each channel's mean.
std::vector<std::uint8_t> grey_of(const LoaderOptions& options, int channels) {
  std::vector<std::uint8_t> grey(static_cast<std::size_t>(channels));
  for (std::size_t c = 0; c < options.mean.size(); ++c)
    grey[c] = static_cast<std::uint8_t>(std::clamp(std::lround(255 * static_cast<double>(options.mean[c])), 0L, 255L));
  return grey;
}

/// Where one image is cut: the window's corner in image coordinates, outside of which the options say what enters, and the middle of
/// what is cut out of it again.
struct Window {
  int top = 0, left = 0;
  Flip flip = Flip::no;
  int hole_y = 0, hole_x = 0;
};

/// Makes batches; has no thread and no lock, and touches nothing but its own buffers.
class BatchMaker {
 public:
  BatchMaker(const ImageSet& set, const LoaderOptions& options)
      : set_(&set),
        options_(options),
        out_(cropped(set.lattice, options.crop)),
        values_(normalised(options, set.lattice.c)),
        grey_(grey_of(options, set.lattice.c)),
        staged_(static_cast<std::size_t>(out_.size() * Columns::kTileLanes)) {
    full_ = sample_columns(std::min<std::int64_t>(options.batch, set.size), options.lanes);
    rest_ = sample_columns(set.size % options.batch, options.lanes);
    if (set.size >= options.batch) warm(full_);
    if (rest_->count > 0 && options.last == LastBatch::keep) warm(rest_);
  }

  Lattice out() const { return out_; }
  const Pool& pool() const { return pool_; }

  std::int64_t batches() const {
    return set_->size / options_.batch + (options_.last == LastBatch::keep && set_->size % options_.batch != 0 ? 1 : 0);
  }

  Batch make(std::int64_t epoch, std::int64_t index) {
    if (order_epoch_ != epoch) draw_order(epoch);
    const std::int64_t first = index * options_.batch;
    const ColumnsPtr& columns = set_->size - first >= options_.batch ? full_ : rest_;
    Batch batch{Tensor::tiled(options_.dtype, out_.shape(), columns, pool_), Tensor::tiled(Dtype::i32, {1}, columns, pool_)};
    by_float(options_.dtype, [&](auto zero) { fill<decltype(zero)>(batch, epoch, first); });
    return batch;
  }

 private:
  /// Asks for the storage of every batch that can be alive at once, so that no later moment depends on who was faster.
  void warm(const ColumnsPtr& columns) {
    std::vector<Tensor> held;
    for (int i = 0; i < kBatchesAlive; ++i) {
      held.push_back(Tensor::tiled(options_.dtype, out_.shape(), columns, pool_));
      held.push_back(Tensor::tiled(Dtype::i32, {1}, columns, pool_));
    }
  }

  /// Fisher-Yates on a stream of its own for each epoch.
  void draw_order(std::int64_t epoch) {
    order_.resize(static_cast<std::size_t>(set_->size));
    for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<std::int64_t>(i);
    const Random draws(options_.seed, hash_name(cat("loader/order/", epoch)));
    if (options_.shuffle == Shuffle::yes)
      for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[draws.below(i, static_cast<std::uint32_t>(i))]);
    order_epoch_ = epoch;
  }

  /// Four words (one block of the generator) for each position: rows, columns, mirror, hole.
  Window draw_window(const Random& draws, std::int64_t position) const {
    const Lattice in = set_->lattice;
    const std::uint64_t word = 4 * static_cast<std::uint64_t>(position);
    const bool centred = options_.crop_at == CropAt::centre;
    const int slack_h = in.h - out_.h, slack_w = in.w - out_.w;
    Window w{centred ? slack_h / 2 : 0, centred ? slack_w / 2 : 0, Flip::no};
    const int places_h = 2 * options_.shift + 1 + (centred ? 0 : slack_h), places_w = 2 * options_.shift + 1 + (centred ? 0 : slack_w);
    w.top += static_cast<int>(draws.below(word, static_cast<std::uint32_t>(places_h))) - options_.shift;
    w.left += static_cast<int>(draws.below(word + 1, static_cast<std::uint32_t>(places_w))) - options_.shift;
    if (options_.flip == Flip::yes && draws.below(word + 2, 2) == 1) w.flip = Flip::yes;
    const auto place = static_cast<int>(draws.below(word + 3, static_cast<std::uint32_t>(out_.h * out_.w)));
    w.hole_y = place / out_.w, w.hole_x = place % out_.w;
    return w;
  }

  /// Writes what the window shows of an image, [h][w][c].
  void cut(std::int64_t sample, Window window, std::uint8_t* to) const {
    const Lattice in = set_->lattice;
    const std::uint8_t* const image = set_->pixels.data() + sample * in.size();
    for (int y = 0; y < out_.h; ++y) {
      const int from = options_.fill == Fill::reflect ? reflected(window.top + y, in.h) : window.top + y;
      std::uint8_t* const row = to + std::int64_t{y} * out_.w * out_.c;
      if (from >= 0 && from < in.h) cut_row(image + std::int64_t{from} * in.w * in.c, window.left, row);
      else std::fill_n(row, out_.w * out_.c, std::uint8_t{0});
      if (window.flip == Flip::yes)
        for (int x = 0; x < out_.w / 2; ++x) std::swap_ranges(row + x * out_.c, row + (x + 1) * out_.c, row + (out_.w - 1 - x) * out_.c);
    }
  }

  /// Fills the square around the window's hole with grey.
  void cut_out(const Window& window, std::uint8_t* image) const {
    const int top = window.hole_y - options_.cutout / 2, left = window.hole_x - options_.cutout / 2;
    for (int y = std::max(top, 0); y < std::min(top + options_.cutout, out_.h); ++y)
      for (int x = std::max(left, 0); x < std::min(left + options_.cutout, out_.w); ++x)
        std::copy(grey_.begin(), grey_.end(), image + (std::int64_t{y} * out_.w + x) * out_.c);
  }

  /// Copies the part of a row that lies inside the image; the rest is what enters.
  void cut_row(const std::uint8_t* image_row, int left, std::uint8_t* to) const {
    const int width = set_->lattice.w, c = out_.c;
    const int first = std::clamp(-left, 0, out_.w), last = std::clamp(width - left, first, out_.w);
    if (first < last) std::copy_n(image_row + (left + first) * c, (last - first) * c, to + first * c);
    const auto enter = [&](int begin, int end) {
      if (options_.fill == Fill::zero) std::fill(to + begin * c, to + end * c, std::uint8_t{0});
      else
        for (int x = begin; x < end; ++x) std::copy_n(image_row + reflected(left + x, width) * c, c, to + x * c);
    };
    enter(0, first);
    enter(last, out_.w);
  }

  std::int32_t label(std::int64_t sample) const {
    const std::int32_t found = set_->labels[static_cast<std::size_t>(sample)];
    if (found < 0 || found >= set_->classes)
      throw FormatError(
          {.op = "loader", .what = cat("sample ", sample, " has label ", found, ", the set has ", set_->classes, " classes")});
    return found;
  }

  /// A tile at a time: the images as bytes beside each other, then transposed and normalised into lanes.
  template <class T>
  void fill(const Batch& batch, std::int64_t epoch, std::int64_t first) {
    const Columns& columns = *batch.x.columns();
    const Random draws(options_.seed, hash_name(cat("loader/augment/", epoch)));
    const std::int64_t rows = out_.size();
    std::vector<std::array<T, 256>> values(values_.size());
    for (std::size_t c = 0; c < values.size(); ++c)
      std::transform(values_[c].begin(), values_[c].end(), values[c].begin(), [](double v) { return static_cast<T>(v); });
    for (std::int64_t tile = 0; tile < columns.tiles(); ++tile) {
      T* const x = batch.x.data<T>() + tile * batch.x.tile_stride();
      std::int32_t* const target = batch.targets.data<std::int32_t>() + tile * batch.targets.tile_stride();
      const int valid = columns.valid_lanes(tile);
      for (int lane = 0; lane < columns.lanes; ++lane) {
        const std::int64_t position = first + tile * columns.lanes + std::min(lane, valid - 1);
        const std::int64_t sample = order_[static_cast<std::size_t>(position)];
        target[lane] = label(sample);
        const Window window = draw_window(draws, position);
        cut(sample, window, staged_.data() + lane * rows);
        cut_out(window, staged_.data() + lane * rows);
      }
      for (std::int64_t pixel = 0; pixel < rows; pixel += out_.c)
        for (int c = 0; c < out_.c; ++c) {
          const std::array<T, 256>& value = values[static_cast<std::size_t>(c)];
          for (int lane = 0; lane < columns.lanes; ++lane)
            x[(pixel + c) * columns.lanes + lane] = value[staged_[static_cast<std::size_t>(lane * rows + pixel + c)]];
        }
    }
  }

  const ImageSet* set_;
  LoaderOptions options_;
  Lattice out_;
  Pool pool_;
  ColumnsPtr full_, rest_;
  ValueTable values_;
  std::vector<std::uint8_t> grey_;
  std::vector<std::uint8_t> staged_;
  std::vector<std::int64_t> order_;
  std::int64_t order_epoch_ = -1;
};

}  // namespace

/// The queue between the thread that prepares and the caller.
struct Loader::State {
  State(const ImageSet& set, const LoaderOptions& options) : maker(set, options), last_batch(maker.batches()), worker([this] { work(); }) {}

  ~State() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    wanted.notify_one();
    worker.join();
  }

  void work() {
    std::unique_lock lock(mutex);
    while (true) {
      wanted.wait(lock, [this] { return stop || (!failure && to_make < last_batch && queue.size() < kPreparedAhead); });
      if (stop) return;
      const std::int64_t of_request = request, of_epoch = epoch, index = to_make++;
      lock.unlock();
      Batch batch;
      std::exception_ptr thrown;
      try {
        batch = maker.make(of_epoch, index);
      } catch (...) {
        thrown = std::current_exception();
      }
      lock.lock();
      if (of_request != request) continue;  // begin() has gone elsewhere meanwhile
      if (thrown) failure = thrown;
      else queue.push_back(std::move(batch));
      ready.notify_one();
    }
  }

  BatchMaker maker;  // used by the worker alone, but for what never changes
  const std::int64_t last_batch;
  std::mutex mutex;
  std::condition_variable wanted, ready;
  std::deque<Batch> queue;
  std::exception_ptr failure;
  std::int64_t request = 0;
  std::int64_t epoch = 0;
  std::int64_t to_make = INT64_MAX;  // the worker's next batch
  std::int64_t to_give = INT64_MAX;  // the caller's next batch
  bool stop = false;
  std::thread worker;  // last: it starts when everything else stands
};

Loader::Loader(const ImageSet& set, LoaderOptions options) {
  check(set, options);
  state_ = std::make_unique<State>(set, options);
}
Loader::~Loader() = default;
Loader::Loader(Loader&&) noexcept = default;
Loader& Loader::operator=(Loader&&) noexcept = default;

std::int64_t Loader::batches() const { return state_->last_batch; }
Lattice Loader::lattice() const { return state_->maker.out(); }
std::int64_t Loader::allocations() const { return state_->maker.pool().allocations(); }

void Loader::begin(std::int64_t epoch, std::int64_t first_batch) {
  if (epoch < 0 || first_batch < 0 || first_batch > batches())
    throw UsageError({.op = "loader",
                      .what = cat("begin at epoch ", epoch, ", batch ", first_batch, ": an epoch has batches 0 to ", batches()),
                      .hint = "a resumed run must keep its batch size"});
  std::deque<Batch> dropped;
  {
    const std::lock_guard lock(state_->mutex);
    ++state_->request;
    state_->epoch = epoch;
    state_->to_make = state_->to_give = first_batch;
    state_->failure = nullptr;
    dropped.swap(state_->queue);
  }
  state_->wanted.notify_one();
}

bool Loader::next(Batch& out) {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  if (s.to_give >= s.last_batch) return false;
  s.ready.wait(lock, [&s] { return !s.queue.empty() || s.failure; });
  if (s.queue.empty()) std::rethrow_exception(s.failure);
  out = std::move(s.queue.front());
  s.queue.pop_front();
  ++s.to_give;
  lock.unlock();
  s.wanted.notify_one();
  return true;
}

}  // namespace weft
