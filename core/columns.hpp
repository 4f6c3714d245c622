#pragma once

#include <cstdint>
#include <memory>

namespace weft {

/// How the N columns of a tensor lie in tiles: `[tile][row][lane]`, 16 lanes a tile, or 1 lane (`[sample][row]`) for N <= 8.
/// Lanes beyond N in the last tile are padding: they hold values a valid column could have, and their gradient is zero.
/// Immutable and shared; two tensors belong together when their Columns are equal in value.
struct Columns {
  static constexpr int kTileLanes = 16;

  std::int64_t count = 0;         ///< N, the valid columns
  int lanes = kTileLanes;         ///< 16 or 1
  std::int64_t first_global = 0;  ///< index of column 0 in the whole batch: keys random draws

  std::int64_t tiles() const { return (count + lanes - 1) / lanes; }
  std::int64_t padded() const { return tiles() * lanes; }
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

}  // namespace weft
