// The one inner loop of every product:  C[r][t] (+)= Σ_runs Σ_k a[r·row_stride + k·a_step] · b[t·b_tile + k·b_step][16 lanes]
//
// MR rows times NT vectors of 16 lanes stay in registers; `a` is a scalar operand (broadcast), `b` a vector operand.
//   forward          a = values [k][m]  (row_stride 1)        b = X rows          C = Y
//   transposed       a = values [k][m]  (row_stride panel)    b = dY rows         C = dX
//   weight gradient  a = X [k][lane]    (row_stride 16)       b = dYᵀ [lane][m]   C = dθ [k][m]
//   one lane         a = X positions    (row_stride dynamic)  b = values [k][m]   C = Y rows
// Each C element is one chain of fused multiply-adds over the runs in order, k ascending: the same bits for every MR, NT and ISA.
// 24 accumulators with AVX-512 (8x3: 8 rows divide every usual block; 6x4 where four tiles share streamed weights), 12 with AVX2 (6x1).
// Share of the FMA peak: see `./run bench`.

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <weft/core/parallel.hpp>
#include <weft/kernels/cpu/unroll.hpp>

#if defined(WEFT_KERNELS_CPU_REGISTER_TILE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef WEFT_KERNELS_CPU_REGISTER_TILE_INL
#undef WEFT_KERNELS_CPU_REGISTER_TILE_INL
#else
#define WEFT_KERNELS_CPU_REGISTER_TILE_INL
#endif

HWY_BEFORE_NAMESPACE();
namespace weft::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
using TileTag = hn::CappedTag<T, 16>;
/// Machine vectors that hold 16 lanes.
template <class T>
constexpr int kVectors = 16 / static_cast<int>(hn::MaxLanes(TileTag<T>()));
/// Most 16-lane vectors side by side, and most rows for a given number of them, so that accumulators fit the registers.
template <class T>
constexpr int kMaxTiles = kVectors<T> == 1 ? 4 : 1;
template <class T, int NT>
constexpr int kMaxRows = HWY_TARGET == HWY_SSSE3  ? 2  // the baseline is there to run, not to win: it keeps the build small
                         : HWY_TARGET == HWY_AVX2 ? (kVectors<T> == 2 ? 6 : 3)
                         : kVectors<T> == 1       ? (NT == 1   ? 16
                                                     : NT == 4 ? 6
                                                               : 8)
                         : kVectors<T> == 2       ? 8
                         : kVectors<T> == 4       ? 6
                                                  : 2;

/// A stretch of the contraction: `length` steps from a and b on.
template <class T>
struct Run {
  const T* a;
  const T* b;
  std::int64_t length;
  std::int64_t row_stride;  ///< read by tiles with a dynamic row stride only
  const T* ahead;           ///< read by runs that prefetch only: scalar operands that will be wanted later
};

/// Whether a tile asks for values before it needs them, from Run::ahead on (Runs::prefetch, once a step): worth a tenth to a half
/// where a product's weights exceed L2, costly where they do not (`./run bench --filter bsr/`). It changes no bit.
enum class Prefetch { no, yes };

/// What the accumulators start from: a policy, so that a tile holds code for its own only. `at(d, row, lane, c)` gives the vector that
/// begins at lane `lane` of the tile (16 lanes a vector of the tile), where c is its place in C; `skip(rows)` moves on.
template <class T>
struct FromZero {
  template <class D>
  HWY_INLINE hn::Vec<D> at(D d, int, int, const T*) const {
    return hn::Zero(d);
  }
  void skip(int) {}
};
/// One scalar a row; without any, what C holds.
template <class T>
struct FromRows {
  const T* bias;
  template <class D>
  HWY_INLINE hn::Vec<D> at(D d, int row, int, const T* c) const {
    return bias == nullptr ? hn::LoadU(d, c) : hn::Set(d, bias[row]);
  }
  void skip(int rows) {
    if (bias != nullptr) bias += rows;
  }
};
/// One value a lane; without any, what C holds.
template <class T>
struct FromLanes {
  const T* bias;
  template <class D>
  HWY_INLINE hn::Vec<D> at(D d, int, int lane, const T* c) const {
    return hn::LoadU(d, bias == nullptr ? c : bias + lane);
  }
  void skip(int) {}
};
/// What C holds, or zero where it holds nothing yet.
template <class T>
struct FromTarget {
  bool empty;
  template <class D>
  HWY_INLINE hn::Vec<D> at(D d, int, int, const T* c) const {
    return empty ? hn::Zero(d) : hn::LoadU(d, c);
  }
  void skip(int) {}
};
/// What FromRows and FromLanes read where there is no bias.
template <class T>
alignas(64) inline constexpr T kNoBias[32] = {};

/// Where a tile's results go: row r, vector t at c + r·CR + t·tile, with the row stride CR known when compiled (16 or 32), so that the
/// addresses are displacements and a short run pays no prologue.
template <class T>
struct Target {
  T* c;
  std::int64_t tile;
};

constexpr int kDynamicStride = 0;

/// One register tile. `Runs` has `bool next(Run<T>&)`. RS: row stride of a, or kDynamicStride. CR: row stride of C.
template <class T, int MR, int NT, int RS, int CR, class Start, class Runs>
HWY_NOINLINE void RegisterTile(Runs runs, std::int64_t a_step, std::int64_t b_step, std::int64_t b_tile, Start start, Target<T> target) {
  const TileTag<T> d;
  using V = hn::Vec<TileTag<T>>;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(d)), kV = kVectors<T>, kNV = NT * kV;
  V acc[MR * kNV];
  WEFT_UNROLL for (int r = 0; r < MR; ++r) {
    WEFT_UNROLL for (int v = 0; v < kNV; ++v) acc[r * kNV + v] =
        start.at(d, r, v * kLanes, target.c + r * CR + v / kV * target.tile + v % kV * kLanes);
  }
  Run<T> run;
  while (runs.next(run)) {
    const T* HWY_RESTRICT a = run.a;
    const T* HWY_RESTRICT b = run.b;
    const std::int64_t rs = RS == kDynamicStride ? run.row_stride : RS;
    const T* ahead = Runs::kPrefetch == Prefetch::yes ? run.ahead : nullptr;
    WEFT_NO_UNROLL for (std::int64_t k = 0; k < run.length; ++k) {
      V x[kNV];
      WEFT_UNROLL for (int v = 0; v < kNV; ++v) x[v] = hn::LoadU(d, b + v / kV * b_tile + v % kV * kLanes);
      WEFT_UNROLL for (int r = 0; r < MR; ++r) {
        const V scalar = hn::Set(d, a[r * rs]);
        WEFT_UNROLL for (int v = 0; v < kNV; ++v) acc[r * kNV + v] = hn::MulAdd(x[v], scalar, acc[r * kNV + v]);
      }
      if constexpr (Runs::kPrefetch == Prefetch::yes) Runs::prefetch(ahead, MR, a_step);
      a += a_step;
      b += b_step;
    }
  }
  WEFT_UNROLL for (int r = 0; r < MR; ++r) {
    WEFT_UNROLL for (int v = 0; v < kNV; ++v) hn::StoreU(acc[r * kNV + v], d, target.c + r * CR + v / kV * target.tile + v % kV * kLanes);
  }
}

/// Covers `rows` rows by register tiles of at most kMaxRows, 16 or 8 first, then 4, 2, 1. `make(r)` gives the runs for rows from r on.
/// No tile straddles 16 rows: a line of weights then serves tiles that follow each other, and half a panel stays in L2 beside X.
template <class T, int NT, int RS, int CR, class MakeRuns, class Start>
HWY_INLINE void TileRows(int rows, MakeRuns&& make, std::int64_t a_step, std::int64_t b_step, std::int64_t b_tile, Start start,
                         Target<T> target) {
  constexpr int kMost = kMaxRows<T, NT>;
  int r = 0, line = 0;
  const auto advance = [&](int by) {
    r += by;
    target.c += by * CR;
    start.skip(by);
  };
#define WEFT_TILE(MR)                                                                  \
  if constexpr ((MR) <= kMost) {                                                       \
    while (line - r >= (MR)) {                                                         \
      RegisterTile<T, MR, NT, RS, CR>(make(r), a_step, b_step, b_tile, start, target); \
      advance(MR);                                                                     \
    }                                                                                  \
  }
  while (r < rows) {
    line = std::min(rows, r + 16);
    WEFT_TILE(16)
    WEFT_TILE(8)
    if constexpr (kMost == 6) {  // AVX2, or four tiles
      WEFT_TILE(6)
    }
    WEFT_TILE(4)
    if constexpr (kMost == 3) {
      WEFT_TILE(3)
    }
    WEFT_TILE(2)
    WEFT_TILE(1)
  }
#undef WEFT_TILE
}

/// Tiles of the next group of `left` neighbouring ones: by threes, then twos, one alone. Four are two pairs, but one group where the
/// weights stream from beyond L2, since every group reads them all again.
template <class T>
HWY_INLINE int NextGroup(std::int64_t left, Prefetch streams) {
  if (kMaxTiles<T> == 1 || left == 1) return 1;
  if (left == 4) return streams == Prefetch::yes ? 4 : 2;
  return left == 2 ? 2 : 3;
}

/// Calls body with `count` tiles as a constant: body(std::integral_constant<int, NT>).
template <class T, class Body>
HWY_INLINE void with_tile_count(int count, Body&& body) {
  if constexpr (kMaxTiles < T >> 1) {
    if (count == 4) return body(std::integral_constant<int, 4>());
    if (count == 3) return body(std::integral_constant<int, 3>());
    if (count == 2) return body(std::integral_constant<int, 2>());
  }
  body(std::integral_constant<int, 1>());
}

/// Calls body(begin, end, first_tile, tile_count) so that every unit (a block row or column) meets every tile once. Each thread
/// takes a range of units of about equal cost (`cost`: running total, or null) and all tile groups, so that its share of the
/// weights stays in its L2; where units are few, the tile groups are shared out instead.
template <class T, class Body>
void over_rows_and_tiles(std::int64_t units, const std::vector<std::int64_t>* cost, std::int64_t tiles, Prefetch streams, Body&& body) {
  if (units == 0 || tiles == 0) return;
  const std::int64_t team = threads();
  const std::int64_t most_tiles = kMaxTiles<T>;
  const bool by_units = units >= 2 * team || tiles < most_tiles * team;
  const std::int64_t parts = by_units ? std::min(units, team) : 1;
  std::vector<std::int64_t> bounds(static_cast<std::size_t>(parts) + 1);
  if (cost != nullptr) bounds = balanced_ranges(*cost, parts);
  else
    for (std::int64_t p = 0; p <= parts; ++p) bounds[static_cast<std::size_t>(p)] = units * p / parts;
  const std::int64_t slices = by_units ? 1 : team;  // of the tiles
  parallel_for(parts * slices, [&](std::int64_t item) {
    const auto p = static_cast<std::size_t>(item / slices);
    const std::int64_t slice = item % slices, last = tiles * (slice + 1) / slices;
    for (std::int64_t tile = tiles * slice / slices; tile < last;) {
      const int count = NextGroup<T>(last - tile, streams);
      body(bounds[p], bounds[p + 1], tile, count);
      tile += count;
    }
  });
}

}  // namespace weft::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
