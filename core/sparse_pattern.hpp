#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

#include <weft/core/value_layout.hpp>

namespace weft {

class SparsePattern;
using PatternPtr = std::shared_ptr<const SparsePattern>;

/// What a builder states about a pattern; SparsePattern validates it once.
struct PatternSpec {
  std::int64_t rows = 0, cols = 0;             ///< of the whole matrix, in scalars
  ValueLayout block;                           ///< size and kind of every block; the last block row and column may be ragged
  std::vector<std::int64_t> row_ptr;           ///< [grid_rows + 1]
  std::vector<std::int32_t> col;               ///< block column of each stored block, any order within a row; duplicates accumulate
  std::vector<std::int32_t> tie;               ///< parameter slot of each stored block; empty: block i owns slot i
  std::int32_t slots = 0;                      ///< number of slots; 0 with an empty tie: one per block
  std::vector<std::int32_t> mask;              ///< per slot: index of its mask, or -1 for a full block; empty: all full
  std::vector<std::uint64_t> mask_bits;        ///< masks of ceil(height*width/64) words each; bit m*width + k keeps entry (m, k)
  std::vector<std::int64_t> row_key, col_key;  ///< place of each block row / column on one lattice; empty: its index
  std::string name;                            ///< "conv2d 28x28x1 -> 28x28x16, k=3": for summaries and errors
};

/// An immutable block-sparse matrix structure: which blocks exist, and which of them share parameters.
/// Block (r, c) covers rows [r*height, (r+1)*height) and columns [c*width, (c+1)*width), cut at the matrix edge.
/// 1x1 blocks are the CSR format. Indices cost 8 bytes a stored block (4 untied); each lazy view 8 more.
class SparsePattern {
 public:
  /// Throws ShapeError for inconsistent arrays, indices out of range or sizes that overflow.
  explicit SparsePattern(PatternSpec spec);

  std::int64_t rows() const { return spec_.rows; }
  std::int64_t cols() const { return spec_.cols; }
  const ValueLayout& block() const { return spec_.block; }
  std::int64_t grid_rows() const { return grid_rows_; }
  std::int64_t grid_cols() const { return grid_cols_; }
  /// Rows of block row r, columns of block column c: the block's size, less at a ragged edge.
  int height_of(std::int64_t r) const;
  int width_of(std::int64_t c) const;
  const std::string& name() const { return spec_.name; }
  const PatternSpec& spec() const { return spec_; }

  /// Stored blocks, by row: blocks row_ptr()[r] … row_ptr()[r+1] lie in block row r.
  std::int64_t blocks() const { return static_cast<std::int64_t>(spec_.col.size()); }
  std::span<const std::int64_t> row_ptr() const { return spec_.row_ptr; }
  std::span<const std::int32_t> col() const { return spec_.col; }
  std::int32_t slot(std::int64_t entry) const {
    return spec_.tie.empty() ? static_cast<std::int32_t>(entry) : spec_.tie[static_cast<std::size_t>(entry)];
  }
  std::int32_t slots() const { return spec_.slots; }
  bool tied() const { return !spec_.tie.empty(); }

  /// Stored blocks by block column, rows ascending.
  struct ColumnView {
    std::vector<std::int64_t> ptr;   ///< [grid_cols + 1]
    std::vector<std::int32_t> row;   ///< block row
    std::vector<std::int32_t> slot;  ///< parameter slot
  };
  const ColumnView& by_column() const;

  /// Stored blocks by parameter slot, rows ascending.
  struct SlotView {
    std::vector<std::int64_t> ptr;  ///< [slots + 1]
    std::vector<std::int32_t> row, col;
  };
  const SlotView& by_slot() const;

  /// True if entry (m, k) of the slot's block is a parameter (no mask clears it).
  bool kept(std::int32_t slot, int m, int k) const;
  bool masked() const { return !spec_.mask_bits.empty(); }

  /// Elements of the values array: slots times ValueLayout::slot_size().
  std::int64_t values_size() const;
  /// Scalars of the matrix that are stored and not masked, tied ones counted at each place.
  std::int64_t nnz() const;
  /// Independent scalars: kept entries over all slots.
  std::int64_t parameter_count() const;
  /// nnz / (rows * cols); 0 for an empty matrix.
  double density() const;

  /// Every stored block's column key >= (upper) or <= (lower) its row key. See DESIGN "triangular": a statement about an ordering.
  bool is_upper_triangular() const;
  bool is_lower_triangular() const;
  /// Every stored block's column key < its row key: I - S can be solved row by row.
  bool is_strictly_lower_triangular() const;
  std::int64_t row_key(std::int64_t r) const { return spec_.row_key.empty() ? r : spec_.row_key[static_cast<std::size_t>(r)]; }
  std::int64_t col_key(std::int64_t c) const { return spec_.col_key.empty() ? c : spec_.col_key[static_cast<std::size_t>(c)]; }

  /// A stable hash of everything but the name: equal for equal structure.
  std::uint64_t fingerprint() const;
  /// Bytes of indices, built views and plans.
  std::int64_t bytes() const;

  /// A value derived from this pattern alone (pointer lists, schedules), made on first use, kept and freed with the pattern.
  /// One value per type P; `make` is P(const SparsePattern&), and P::bytes() counts towards bytes().
  template <class P>
  const P& plan(P (*make)(const SparsePattern&)) const {
    const void* found = plan_slot(
        typeid(P).name(), [&] { return std::shared_ptr<const void>(std::make_shared<const P>(make(*this))); },
        [](const void* p) { return static_cast<const P*>(p)->bytes(); });
    return *static_cast<const P*>(found);
  }

 private:
  struct Lazy;
  const void* plan_slot(const char* key, const std::function<std::shared_ptr<const void>()>& make,
                        std::int64_t (*bytes_of_plan)(const void*)) const;
  void validate() const;

  PatternSpec spec_;
  std::int64_t grid_rows_ = 0, grid_cols_ = 0;
  std::shared_ptr<Lazy> lazy_;
};

/// Makes a shared pattern: `make_pattern(std::move(spec))`.
PatternPtr make_pattern(PatternSpec spec);

/// The matrix S(values) as row-major rows x cols, in double. `values` is in the pattern's value layout.
std::vector<double> to_dense(const SparsePattern& pattern, std::span<const double> values);

/// A picture of the pattern in characters: `width` columns at most, darker where more of a cell is stored (" .:+#").
std::string spy(const SparsePattern& pattern, int width = 64);

}  // namespace weft
