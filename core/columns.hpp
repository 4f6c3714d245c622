#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace weft {

/// How the N columns of a tensor lie in tiles: `[tile][row][lane]`, 16 lanes a tile, or 1 lane (`[sample][row]`) for N <= 8.
/// Lanes beyond N in the last tile are padding: they hold values a valid column could have, and their gradient is zero.
/// Immutable and shared; two tensors belong together when their Columns are equal in value.
struct Columns {
  static constexpr int kTileLanes = 16;

  std::int64_t count = 0;               ///< N, the valid columns
  int lanes = kTileLanes;               ///< 16 or 1
  std::int64_t first_global = 0;        ///< index of column 0 in the whole batch: keys random draws
  std::vector<std::int32_t> lengths{};  ///< steps of each valid column where sequences differ; empty: all have every step

  std::int64_t tiles() const { return (count + lanes - 1) / lanes; }
  std::int64_t padded() const { return tiles() * lanes; }
  /// Steps of column `n`, a padding lane's being the last valid column's, where a sequence has `all`.
  std::int64_t length(std::int64_t n, std::int64_t all) const {
    if (lengths.empty()) return all;
    const std::int64_t steps = lengths[static_cast<std::size_t>(n < count ? n : count - 1)];
    return steps < all ? steps : all;
  }
  /// Valid lanes of tile `t`.
  int valid_lanes(std::int64_t t) const {
    const std::int64_t left = count - t * lanes;
    return static_cast<int>(left < lanes ? left : lanes);
  }
  bool operator==(const Columns&) const = default;
};

using ColumnsPtr = std::shared_ptr<const Columns>;

/// Who picks the lanes of a batch.
enum class Lanes { by_count, one, sixteen };

/// Columns for N samples: 1 lane when N <= 8 and 16 otherwise, unless `lanes` asks for one of them.
/// Throws ShapeError if n or first_global is negative.
ColumnsPtr sample_columns(std::int64_t n, Lanes lanes = Lanes::by_count, std::int64_t first_global = 0);
/// The same for samples of different lengths in steps. Throws ShapeError if one is negative.
ColumnsPtr sample_columns(std::vector<std::int32_t> lengths, Lanes lanes = Lanes::by_count, std::int64_t first_global = 0);

}  // namespace weft
