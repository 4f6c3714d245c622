#pragma once

#include <cstdint>
#include <vector>

namespace weft {

/// A sparse matrix in double, row by row.
struct SparseRows {
  std::int32_t columns = 0;
  std::vector<std::int64_t> starts{0};  ///< [rows + 1]: row i is entries [starts[i], starts[i + 1])
  std::vector<std::int32_t> column;     ///< of each entry
  std::vector<double> value;            ///< of each entry

  std::int64_t rows() const { return static_cast<std::int64_t>(starts.size()) - 1; }
};

}  // namespace weft
