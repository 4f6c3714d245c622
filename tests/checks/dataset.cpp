// Sets of images apart from their batches: statistics, and what is held out.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include <weft/core/error.hpp>
#include <weft/data/dataset.hpp>
#include <weft/tests/checks/tiny_set.hpp>

using namespace weft;
using checks::tiny_set;

TEST_CASE("a set's mean and deviation, channel by channel, are those of a naive sum") {
  for (const Lattice lattice : {Lattice{3, 4, 1}, Lattice{5, 2, 3}, Lattice{1, 1, 4}}) {
    const ImageSet set = tiny_set(130, lattice);
    const ChannelStatistics statistics = channel_statistics(set);
    const auto channels = static_cast<std::size_t>(lattice.c);
    REQUIRE(statistics.mean.size() == channels);
    REQUIRE(statistics.std.size() == channels);
    const double count = static_cast<double>(set.pixels.size()) / lattice.c;
    for (std::size_t c = 0; c < channels; ++c) {
      double mean = 0, variance = 0;
      for (std::size_t i = c; i < set.pixels.size(); i += channels) mean += set.pixels[i] / 255.0 / count;
      for (std::size_t i = c; i < set.pixels.size(); i += channels) variance += std::pow(set.pixels[i] / 255.0 - mean, 2) / count;
      CHECK(statistics.mean[c] == doctest::Approx(mean).epsilon(1e-6));
      CHECK(statistics.std[c] == doctest::Approx(std::sqrt(variance)).epsilon(1e-6));
    }
  }
}

TEST_CASE("of one channel the statistics have the bits of sums over all pixels") {
  const ImageSet set = tiny_set(1000, {7, 5, 1});
  std::uint64_t sum = 0, squares = 0;
  for (const std::uint64_t p : set.pixels) sum += p, squares += p * p;
  const double count = static_cast<double>(set.pixels.size()), mean = static_cast<double>(sum) / count / 255;
  const ChannelStatistics statistics = channel_statistics(set);
  CHECK(statistics.mean[0] == static_cast<float>(mean));
  CHECK(statistics.std[0] == static_cast<float>(std::sqrt(static_cast<double>(squares) / count / (255.0 * 255.0) - mean * mean)));
}

TEST_CASE("a constant channel has deviation 1, whatever its value rounds to") {
  for (int value = 0; value < 256; ++value) {
    ImageSet set{{1, 1, 2}, 1, 7, {}, std::vector<std::int32_t>(7)};
    for (int n = 0; n < 7; ++n) set.pixels.insert(set.pixels.end(), {static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(n)});
    const ChannelStatistics statistics = channel_statistics(set);
    CHECK(statistics.std[0] == 1);
    CHECK(statistics.std[1] == doctest::Approx(2.0 / 255));
  }
  const ChannelStatistics none = channel_statistics({.lattice = {2, 2, 3}, .classes = 1, .size = 0, .pixels = {}, .labels = {}});
  CHECK(none.mean == std::vector<float>(3, 0.0F));
  CHECK(none.std == std::vector<float>(3, 1.0F));
  CHECK_THROWS_AS(channel_statistics({.lattice = {2, 2, 3}, .classes = 1, .size = 1, .pixels = {1, 2}, .labels = {0}}), ShapeError);
}

TEST_CASE("what is held out is random, the same every time, and no longer in the set") {
  const auto numbered = [](std::int64_t size) {
    ImageSet set{.lattice = {1, 2, 1}, .classes = 100, .size = size, .pixels = {}, .labels = {}};
    for (std::int64_t i = 0; i < size; ++i) {
      set.pixels.insert(set.pixels.end(), {static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(2 * i)});
      set.labels.push_back(static_cast<std::int32_t>(i));
    }
    return set;
  };
  ImageSet set = numbered(100), again = numbered(100);
  const ImageSet held = hold_out(set, 0.25);
  CHECK(held.size == 25);
  CHECK(set.size == 75);
  CHECK(held.labels == hold_out(again, 0.25).labels);
  CHECK(std::is_sorted(set.labels.begin(), set.labels.end()));
  CHECK(!std::is_sorted(held.labels.begin(), held.labels.end()));
  std::vector<int> seen(100);
  for (const ImageSet* part : std::vector<const ImageSet*>{&set, &held})
    for (std::size_t i = 0; i < part->labels.size(); ++i) {
      const auto label = static_cast<std::size_t>(part->labels[i]);
      ++seen[label];
      CHECK(part->pixels[2 * i] == label);
      CHECK(part->pixels[2 * i + 1] == 2 * label);
    }
  CHECK(std::count(seen.begin(), seen.end(), 1) == 100);
  CHECK(hold_out(set, 0).size == 0);
  CHECK_THROWS_AS(hold_out(set, 1), UsageError);
}
