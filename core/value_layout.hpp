#pragma once

#include <cstdint>

namespace weft {

/// What one stored block of a pattern holds.
enum class BlockKind : std::uint8_t {
  dense,     ///< height x width values
  diagonal,  ///< height == width values on the diagonal: depthwise convolution
  identity,  ///< one value times the identity: pooling, shifts, permutations
};

/// How the values of one slot lie in memory on the CPU.
/// Dense blocks are cut into panels of 32 output rows, each stored [k][m] with m (the output row) fastest and padded
/// with zeros to 16; scalar blocks (1 x 1, the CSR format), diagonals and identities are stored without padding.
struct ValueLayout {
  static constexpr int kPanelRows = 32, kPadRows = 16;

  BlockKind kind = BlockKind::dense;
  int height = 1, width = 1;

  bool scalar() const { return kind == BlockKind::dense && height == 1 && width == 1; }
  bool paneled() const { return kind == BlockKind::dense && !scalar(); }
  int panels() const { return (height + kPanelRows - 1) / kPanelRows; }
  /// Output rows of panel p: 32, or what is left.
  int panel_rows(int p) const { return height - p * kPanelRows < kPanelRows ? height - p * kPanelRows : kPanelRows; }
  /// Stored width of panel p: its rows padded to 16, so 16 or 32.
  int panel_stride(int p) const { return (panel_rows(p) + kPadRows - 1) / kPadRows * kPadRows; }
  std::int64_t panel_offset(int p) const { return std::int64_t{p} * kPanelRows * width; }

  /// Stored elements of one slot, padding included.
  std::int64_t slot_size() const {
    if (kind == BlockKind::identity || scalar()) return 1;
    if (kind == BlockKind::diagonal) return height;
    return panel_offset(panels() - 1) + std::int64_t{panel_stride(panels() - 1)} * width;
  }
  /// Parameters of one slot: what is stored less the padding.
  std::int64_t slot_parameters() const {
    if (kind == BlockKind::identity) return 1;
    return kind == BlockKind::diagonal ? height : std::int64_t{height} * width;
  }
  /// Where the value of row m, column k of the block lies inside its slot (for a diagonal m == k; an identity has one value).
  std::int64_t offset(int m, int k) const {
    if (kind == BlockKind::identity || scalar()) return 0;
    if (kind == BlockKind::diagonal) return m;
    const int p = m / kPanelRows;
    return panel_offset(p) + std::int64_t{k} * panel_stride(p) + m % kPanelRows;
  }
  bool operator==(const ValueLayout&) const = default;
};

}  // namespace weft
