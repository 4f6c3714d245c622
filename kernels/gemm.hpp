#pragma once

#include <cstdint>

#include <weft/core/value_layout.hpp>

namespace weft::kernels {

// The dense product of the conventional formulation, on the register tile of the sparse ones. T is float or double; equal bits for
// any number of threads.

/// C (m x n) = A (m x k) · B (k x n), where n = tiles · lanes and lanes is 16 or 1.
struct GemmSize {
  int m, k;
  std::int64_t tiles;
  int lanes;

  /// Where the elements of A lie.
  ValueLayout a() const { return {BlockKind::dense, m, k}; }
};

/// B or C: row r of tile t is `lanes` elements from first + t·stride + r·lanes on.
template <class T>
struct Tiles {
  T* first;
  std::int64_t stride;
};

/// What becomes of the numbers that are already in a sum over columns.
enum class Sum : std::uint8_t { overwrite, add };

/// C = A·B + bias; `bias` has m elements or is null.
template <class T>
void gemm(const GemmSize& size, const T* a, const T* bias, Tiles<const T> b, Tiles<T> c);
/// B = Aᵀ·C.
template <class T>
void gemm_t(const GemmSize& size, const T* a, Tiles<const T> c, Tiles<T> b);
/// A (+)= C·Bᵀ, summed over all columns; padding of A becomes zero. Each element is one chain over its columns in at most 16 parts, which
/// the number of tiles fixes.
template <class T>
void gemm_dw(const GemmSize& size, Tiles<const T> c, Tiles<const T> b, Sum sum, T* a);
/// sums[r] = Σ over all columns of row r < rows of C: a bias gradient. 16 lane sums a part, at most 16 parts.
template <class T>
void row_sums(int rows, std::int64_t tiles, int lanes, Tiles<const T> c, T* sums);

}  // namespace weft::kernels
