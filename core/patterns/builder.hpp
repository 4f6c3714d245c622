#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <weft/core/sparse_pattern.hpp>

namespace weft::patterns {

/// A block no larger than the matrix: a layer of 10 outputs then stores 10 rows a block and not 32.
int fitted(std::int64_t extent, int block);

/// The entries of one block that are kept, in the order of PatternSpec::mask_bits. Empty: all of them.
using Mask = std::vector<std::uint64_t>;

/// Words of a mask for blocks of this size.
std::size_t mask_words(const ValueLayout& block);
/// The mask of a slot; empty if its block is full.
Mask mask_of(const SparsePattern& pattern, std::int32_t slot);
/// Sets entry (m, k).
void keep(Mask& mask, const ValueLayout& block, int m, int k);

/// Builds an untied pattern block row by block row: columns come out sorted, a block added twice is stored once with the
/// union of its masks, equal masks share their bits. Memory grows with the stored blocks.
class RowBuilder {
 public:
  RowBuilder(std::int64_t rows, std::int64_t cols, ValueLayout block, std::string name);

  /// Adds a block to the row at hand.
  void add(std::int64_t col, const Mask& mask);
  void end_row();
  /// The pattern's statement; every block row must have been ended.
  PatternSpec finish();

 private:
  PatternSpec spec_;
  std::map<std::int32_t, Mask> row_;
  std::map<Mask, std::int32_t> masks_;
};

/// Clears a tie that says what an empty one says: block i owns slot i.
void drop_trivial_tie(PatternSpec& spec);

}  // namespace weft::patterns
