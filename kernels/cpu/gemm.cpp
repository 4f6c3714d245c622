// C = A·B + bias, B = Aᵀ·C, A (+)= C·Bᵀ for a dense A in panels [panel][k][m] and 16-lane tiles, all on the register tile.
// Share of the FMA peak: that of the sparse products at full density, whose inner loop this is; see `./run bench`.

#include <algorithm>
#include <cstdint>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <weft/kernels/cpu/gemm.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <weft/core/parallel.hpp>
#include <weft/kernels/cpu/gemm_literal.hpp>
#include <weft/kernels/cpu/register_tile-inl.hpp>
#include <weft/kernels/cpu/sum_of_16.hpp>
#include <weft/kernels/cpu/transpose-inl.hpp>
#include <weft/kernels/gemm.hpp>

HWY_BEFORE_NAMESPACE();
namespace weft::kernels::HWY_NAMESPACE {

/// One stretch of the contraction.
template <class T>
struct DenseRun {
  static constexpr Prefetch kPrefetch = Prefetch::no;
  Run<T> run;
  bool taken = false;

  HWY_INLINE bool next(Run<T>& r) {
    if (taken) return false;
    r = run;
    return taken = true;
  }
};

template <class T>
struct DenseForward {
  GemmSize size;
  const T* a;
  const T* bias;
  Tiles<const T> b;
  Tiles<T> c;

  template <int NT>
  void panels(std::int64_t begin, std::int64_t end, std::int64_t tile) const {
    const ValueLayout layout = size.a();
    const T* x = b.first + tile * b.stride;
    for (auto p = static_cast<int>(begin); p < static_cast<int>(end); ++p) {
      const std::int64_t first = std::int64_t{p} * ValueLayout::kPanelRows;
      const T* panel = a + layout.panel_offset(p);
      const auto make = [&](int m) { return DenseRun<T>{{panel + m, x, size.k, 1, nullptr}}; };
      const FromRows<T> start{bias == nullptr ? kNoBias<T> : bias + first};
      const Target<T> target{c.first + tile * c.stride + first * 16, c.stride};
      TileRows<T, NT, 1, 16>(layout.panel_rows(p), make, layout.panel_stride(p), 16, b.stride, start, target);
    }
  }

  void run() const {
    over_rows_and_tiles<T>(size.a().panels(), nullptr, size.tiles, Prefetch::no,
                           [this](std::int64_t begin, std::int64_t end, std::int64_t tile, int count) {
                             with_tile_count<T>(count, [&](auto tiles) { panels<decltype(tiles)::value>(begin, end, tile); });
                           });
  }
};

/// A column of A, one run a panel.
template <class T>
struct DenseColumn {
  static constexpr Prefetch kPrefetch = Prefetch::no;
  ValueLayout layout;
  const T* a;
  const T* c;
  int k;
  int panel = 0;

  HWY_INLINE bool next(Run<T>& run) {
    if (panel == layout.panels()) return false;
    const std::int64_t stride = layout.panel_stride(panel);
    run = {a + layout.panel_offset(panel) + k * stride, c + std::int64_t{panel} * ValueLayout::kPanelRows * 16, layout.panel_rows(panel),
           stride, nullptr};
    ++panel;
    return true;
  }
};

template <class T>
struct DenseTransposed {
  static constexpr int kColumns = 32;  // a unit of work
  GemmSize size;
  const T* a;
  Tiles<const T> c;
  Tiles<T> b;

  template <int NT, int RS>
  void columns(std::int64_t begin, std::int64_t end, std::int64_t tile) const {
    const auto first = static_cast<int>(begin * kColumns), last = static_cast<int>(std::min<std::int64_t>(size.k, end * kColumns));
    const auto make = [&](int k) { return DenseColumn<T>{size.a(), a, c.first + tile * c.stride, first + k}; };
    const Target<T> target{b.first + tile * b.stride + std::int64_t{first} * 16, b.stride};
    TileRows<T, NT, RS, 16>(last - first, make, 1, 16, c.stride, FromZero<T>{}, target);
  }

  template <int NT>
  void by_stride(std::int64_t begin, std::int64_t end, std::int64_t tile) const {
    const ValueLayout layout = size.a();
    const int stride = layout.panel_stride(0);
    if (layout.panel_stride(layout.panels() - 1) != stride) columns<NT, kDynamicStride>(begin, end, tile);
    else if (stride == 16) columns<NT, 16>(begin, end, tile);
    else columns<NT, 32>(begin, end, tile);
  }

  void run() const {
    const std::int64_t units = (std::int64_t{size.k} + kColumns - 1) / kColumns;
    over_rows_and_tiles<T>(units, nullptr, size.tiles, Prefetch::no,
                           [this](std::int64_t begin, std::int64_t end, std::int64_t tile, int count) {
                             with_tile_count<T>(count, [&](auto tiles) { by_stride<decltype(tiles)::value>(begin, end, tile); });
                           });
  }
};

/// The lanes of some tiles against those of Cᵀ.
template <class T>
struct DenseLanes {
  static constexpr Prefetch kPrefetch = Prefetch::no;
  const T* b;
  const T* c_t;
  std::int64_t b_stride, c_stride, tiles;
  std::int64_t lanes;  ///< 16, but not known when compiled: an unrolled lane loop spills

  HWY_INLINE bool next(Run<T>& run) {
    if (tiles-- == 0) return false;
    run = {b, c_t, lanes, 16, nullptr};
    b += b_stride;
    c_t += c_stride;
    return true;
  }
};

/// Work items: (part of the tiles, panel, columns of A). A panel of C is transposed to [lane][m], 16 tiles at a time.
template <class T>
class DenseGradient {
 public:
  DenseGradient(const GemmSize& size, Tiles<const T> c, Tiles<const T> b, Sum sum, T* a)
      : size_(size),
        layout_(size.a()),
        c_(c),
        b_(b),
        sum_(sum),
        a_(a),
        parts_(std::clamp<std::int64_t>(size.tiles / kPartTiles, 1, kMostParts)),
        ranges_((size.k + kColumns - 1) / kColumns) {
    if (parts_ > 1) partial_.resize(static_cast<std::size_t>(parts_ * layout_.slot_size()));
  }

  void run() {
    parallel_for(parts_ * layout_.panels() * ranges_, [this](std::int64_t item) {
      static thread_local std::vector<T> c_t;
      const std::int64_t part = item / (layout_.panels() * ranges_), range = item % ranges_;
      const auto p = static_cast<int>(item / ranges_ % layout_.panels());
      const std::int64_t end = size_.tiles * (part + 1) / parts_;
      bool fresh = parts_ > 1 || sum_ == Sum::overwrite;
      for (std::int64_t tile = size_.tiles * part / parts_; tile < end; tile += kPartTiles) {
        products(tile, std::min(kPartTiles, end - tile), p, range, fresh, parts_ > 1 ? partial_.data() + part * layout_.slot_size() : a_,
                 c_t);
        fresh = false;
      }
    });
    if (parts_ > 1) add_parts();
  }

 private:
  static constexpr std::int64_t kPartTiles = 16;  // 256 lanes of a transposed 32-row panel are 32 KiB
  static constexpr std::int64_t kMostParts = 16;
  static constexpr int kColumns = 512;

  void products(std::int64_t tile, std::int64_t tiles, int p, std::int64_t range, bool fresh, T* a, std::vector<T>& c_t) const {
    const int rows = layout_.panel_rows(p), stride = layout_.panel_stride(p);
    c_t.resize(static_cast<std::size_t>(tiles * 16 * stride));
    for (std::int64_t t = 0; t < tiles; ++t)
      for (int m = 0; m < stride; m += 16) {
        const T* from = c_.first + (tile + t) * c_.stride + (std::int64_t{p} * ValueLayout::kPanelRows + m) * 16;
        TransposeRows(from, std::clamp(rows - m, 0, 16), c_t.data() + t * 16 * stride + m, stride);
      }
    const auto first = static_cast<int>(range * kColumns);
    const int columns = std::min(kColumns, size_.k - first);
    const T* b = b_.first + tile * b_.stride + std::int64_t{first} * 16;
    T* out = a + layout_.panel_offset(p) + std::int64_t{first} * stride;
    const FromTarget<T> start{fresh};
    const auto make_at = [&](int m) {
      const T* lanes = c_t.data() + m;
      return [this, b, lanes, stride, tiles](int k) {
        return DenseLanes<T>{b + k * 16, lanes, b_.stride, std::int64_t{16} * stride, tiles, size_.lanes};
      };
    };
    if (stride == 16) return TileRows<T, 1, 16, 16>(columns, make_at(0), 1, stride, 16, start, Target<T>{out, 16});
    if constexpr (kMaxTiles<T> >= 2) TileRows<T, 2, 16, 32>(columns, make_at(0), 1, stride, 16, start, Target<T>{out, 16});
    else
      for (int m = 0; m < 32; m += 16) TileRows<T, 1, 16, 32>(columns, make_at(m), 1, stride, 16, start, Target<T>{out + m, 16});
  }

  void add_parts() const {
    constexpr std::int64_t kChunk = 4096;
    const std::int64_t n = layout_.slot_size();
    parallel_for((n + kChunk - 1) / kChunk, [&](std::int64_t chunk) {
      const std::int64_t begin = chunk * kChunk, end = std::min(n, begin + kChunk);
      if (sum_ == Sum::overwrite) std::fill(a_ + begin, a_ + end, T{});
      for (std::int64_t part = 0; part < parts_; ++part)
        for (std::int64_t i = begin; i < end; ++i) a_[i] += partial_[static_cast<std::size_t>(part * n + i)];
    });
  }

  GemmSize size_;
  ValueLayout layout_;
  Tiles<const T> c_, b_;
  Sum sum_;
  T* a_;
  std::int64_t parts_, ranges_;
  std::vector<T> partial_;
};

void GemmF32(const GemmSize& size, const float* a, const float* bias, Tiles<const float> b, Tiles<float> c) {
  DenseForward<float>{size, a, bias, b, c}.run();
}
void GemmF64(const GemmSize& size, const double* a, const double* bias, Tiles<const double> b, Tiles<double> c) {
  DenseForward<double>{size, a, bias, b, c}.run();
}
void GemmTF32(const GemmSize& size, const float* a, Tiles<const float> c, Tiles<float> b) { DenseTransposed<float>{size, a, c, b}.run(); }
void GemmTF64(const GemmSize& size, const double* a, Tiles<const double> c, Tiles<double> b) {
  DenseTransposed<double>{size, a, c, b}.run();
}
void GemmDwF32(const GemmSize& size, Tiles<const float> c, Tiles<const float> b, Sum sum, float* a) {
  DenseGradient<float>(size, c, b, sum, a).run();
}
void GemmDwF64(const GemmSize& size, Tiles<const double> c, Tiles<const double> b, Sum sum, double* a) {
  DenseGradient<double>(size, c, b, sum, a).run();
}

}  // namespace weft::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft::kernels {

HWY_EXPORT(GemmF32);
HWY_EXPORT(GemmF64);
HWY_EXPORT(GemmTF32);
HWY_EXPORT(GemmTF64);
HWY_EXPORT(GemmDwF32);
HWY_EXPORT(GemmDwF64);

namespace {

/// True if the operands fill register tiles.
bool tiled(const GemmSize& size) { return size.lanes == 16 && size.a().paneled(); }

}  // namespace

template <class T>
void gemm(const GemmSize& size, const T* a, const T* bias, Tiles<const T> b, Tiles<T> c) {
  if (!tiled(size)) return literal::gemm(size, a, bias, b, c);
  if constexpr (sizeof(T) == 4) HWY_DYNAMIC_DISPATCH(GemmF32)(size, a, bias, b, c);
  else HWY_DYNAMIC_DISPATCH(GemmF64)(size, a, bias, b, c);
}

template <class T>
void gemm_t(const GemmSize& size, const T* a, Tiles<const T> c, Tiles<T> b) {
  if (!tiled(size)) return literal::gemm_t(size, a, c, b);
  if constexpr (sizeof(T) == 4) HWY_DYNAMIC_DISPATCH(GemmTF32)(size, a, c, b);
  else HWY_DYNAMIC_DISPATCH(GemmTF64)(size, a, c, b);
}

template <class T>
void gemm_dw(const GemmSize& size, Tiles<const T> c, Tiles<const T> b, Sum sum, T* a) {
  if (!tiled(size) || size.tiles == 0) return literal::gemm_dw(size, c, b, sum, a);
  if constexpr (sizeof(T) == 4) HWY_DYNAMIC_DISPATCH(GemmDwF32)(size, c, b, sum, a);
  else HWY_DYNAMIC_DISPATCH(GemmDwF64)(size, c, b, sum, a);
}

template <class T>
void row_sums(int rows, std::int64_t tiles, int lanes, Tiles<const T> c, T* sums) {
  constexpr int kRows = 16;  // whose lane sums a work item holds
  const std::int64_t parts = std::clamp<std::int64_t>(tiles / 16, 1, 16), blocks = (rows + kRows - 1) / kRows;
  std::vector<T> partial(static_cast<std::size_t>(parts * rows));
  parallel_for(parts * blocks, [&](std::int64_t item) {
    const std::int64_t part = item / blocks;
    const auto first = static_cast<int>(item % blocks * kRows), here = std::min(kRows, rows - first);
    T lane_sums[kRows * 16] = {};
    for (std::int64_t tile = tiles * part / parts; tile < tiles * (part + 1) / parts; ++tile)
      for (int r = 0; r < here; ++r)
        for (int lane = 0; lane < lanes; ++lane)
          lane_sums[r * 16 + lane] += c.first[tile * c.stride + std::int64_t{first + r} * lanes + lane];
    for (int r = 0; r < here; ++r) partial[static_cast<std::size_t>(part * rows + first + r)] = sum_of_16(lane_sums + r * 16);
  });
  for (int r = 0; r < rows; ++r) {
    sums[r] = 0;
    for (std::int64_t part = 0; part < parts; ++part) sums[r] += partial[static_cast<std::size_t>(part * rows + r)];
  }
}

template void gemm(const GemmSize&, const float*, const float*, Tiles<const float>, Tiles<float>);
template void gemm(const GemmSize&, const double*, const double*, Tiles<const double>, Tiles<double>);
template void gemm_t(const GemmSize&, const float*, Tiles<const float>, Tiles<float>);
template void gemm_t(const GemmSize&, const double*, Tiles<const double>, Tiles<double>);
template void gemm_dw(const GemmSize&, Tiles<const float>, Tiles<const float>, Sum, float*);
template void gemm_dw(const GemmSize&, Tiles<const double>, Tiles<const double>, Sum, double*);
template void row_sums(int, std::int64_t, int, Tiles<const float>, float*);
template void row_sums(int, std::int64_t, int, Tiles<const double>, double*);

}  // namespace weft::kernels
#endif
