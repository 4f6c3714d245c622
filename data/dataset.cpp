#include <weft/data/dataset.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <numeric>
#include <utility>

#include <weft/core/error.hpp>
#include <weft/core/parallel.hpp>
#include <weft/core/random.hpp>
#include <weft/core/text.hpp>

namespace weft {

std::string own_name(const std::string& folder) {
  const std::filesystem::path path = std::filesystem::absolute(folder).lexically_normal();
  return cat("own images ", (path.has_filename() ? path : path.parent_path()).filename().string());
}

void check_consistent(const ImageSet& set, const char* op) {
  const auto samples = static_cast<std::size_t>(std::max<std::int64_t>(set.size, 0));
  if (set.size < 0 || set.lattice.h < 1 || set.lattice.w < 1 || set.lattice.c < 1 || set.labels.size() != samples ||
      set.pixels.size() != samples * static_cast<std::size_t>(set.lattice.size()))
    throw ShapeError({.op = op,
                      .what = cat("a set of ", set.size, " images of ", set.lattice.shape().str(), " has ", set.pixels.size(),
                                  " pixel bytes and ", set.labels.size(), " labels")});
}

ImageSet draw_images(Lattice lattice, int classes, std::vector<std::int32_t> labels,
                     const std::function<void(std::int64_t i, std::uint8_t* pixels)>& draw) {
  const auto size = static_cast<std::int64_t>(labels.size());
  ImageSet set{.lattice = lattice, .classes = classes, .size = size, .pixels = {}, .labels = std::move(labels)};
  set.pixels.resize(static_cast<std::size_t>(size * lattice.size()));
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(size));  // none may leave a thread
  parallel_for(size, [&](std::int64_t i) {
    try {
      draw(i, set.pixels.data() + i * lattice.size());
    } catch (...) {
      failures[static_cast<std::size_t>(i)] = std::current_exception();
    }
  });
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
  return set;
}

namespace {

/// The images of a set at these indices.
ImageSet selected(const ImageSet& set, const std::vector<std::int64_t>& indices) {
  ImageSet chosen{
      .lattice = set.lattice, .classes = set.classes, .size = static_cast<std::int64_t>(indices.size()), .pixels = {}, .labels = {}};
  const std::int64_t bytes = set.lattice.size();
  chosen.pixels.reserve(indices.size() * static_cast<std::size_t>(bytes));
  chosen.labels.reserve(indices.size());
  for (const std::int64_t i : indices) {
    chosen.pixels.insert(chosen.pixels.end(), set.pixels.begin() + i * bytes, set.pixels.begin() + (i + 1) * bytes);
    chosen.labels.push_back(set.labels[static_cast<std::size_t>(i)]);
  }
  return chosen;
}

}  // namespace

ImageSet hold_out(ImageSet& set, double share) {
  if (!(share >= 0 && share < 1))
    throw UsageError({.op = "hold_out", .what = cat("the share is ", share), .hint = "give one of at least 0 and less than 1"});
  check_consistent(set, "hold_out");
  std::vector<std::int64_t> order(static_cast<std::size_t>(set.size));
  std::iota(order.begin(), order.end(), 0);
  const Random draws(0, hash_name("hold_out"));  // no run's seed: every run holds out the same images
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[draws.below(i, static_cast<std::uint32_t>(i))]);
  const auto held = order.begin() + static_cast<std::int64_t>(share * static_cast<double>(set.size));
  std::sort(held, order.end());
  ImageSet out = selected(set, {order.begin(), held});
  set = selected(set, {held, order.end()});
  return out;
}

namespace {

struct Sums {
  std::uint64_t first = 0, second = 0;  // of p and of p * p
};

double mean_of(const Sums& sums, double count) { return static_cast<double>(sums.first) / count / 255; }

/// The variance of equal pixels is 0 but for its rounding, so that case is told in integers.
double deviation_of(const Sums& sums, std::uint64_t count) {
  if (sums.first % count == 0 && sums.first / count * sums.first == sums.second) return 1;
  const double mean = mean_of(sums, static_cast<double>(count));
  return std::sqrt(static_cast<double>(sums.second) / static_cast<double>(count) / (255.0 * 255.0) - mean * mean);
}

}  // namespace

ChannelStatistics channel_statistics(const ImageSet& set) {
  check_consistent(set, "channel_statistics");
  const auto channels = static_cast<std::size_t>(set.lattice.c);
  std::vector<Sums> sums(channels);
  for (std::size_t i = 0; i < set.pixels.size(); i += channels)
    for (std::size_t c = 0; c < channels; ++c) {
      const std::uint64_t p = set.pixels[i + c];
      sums[c].first += p, sums[c].second += p * p;
    }
  const std::uint64_t count = std::max<std::uint64_t>(set.pixels.size() / channels, 1);
  ChannelStatistics statistics;
  for (const Sums& of_channel : sums) {
    statistics.mean.push_back(static_cast<float>(mean_of(of_channel, static_cast<double>(count))));
    statistics.std.push_back(static_cast<float>(deviation_of(of_channel, count)));
  }
  return statistics;
}

}  // namespace weft
