#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace weft {

/// Philox4x32-10: four random words from a 128-bit counter and a 64-bit key, with no state.
/// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, https://doi.org/10.1145/2063384.2063405.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// A stable 64-bit hash (FNV-1a) of a name: the part of a random key that a layer path gives.
std::uint64_t hash_name(std::string_view name);

/// Draws named by what they are for: equal (seed, stream) give equal sequences, on any machine, in any order.
class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t stream) : seed_(seed), stream_(stream) {}

  /// The i-th word of the stream.
  std::uint32_t word(std::uint64_t i) const;
  /// The i-th uniform draw in [0, 1).
  double uniform(std::uint64_t i) const;
  /// The i-th standard normal draw (Box-Muller on words 2i and 2i + 1).
  double normal(std::uint64_t i) const;
  /// The i-th integer in [0, n).
  std::uint32_t below(std::uint64_t i, std::uint32_t n) const;

 private:
  std::uint64_t seed_, stream_;
};

}  // namespace weft
