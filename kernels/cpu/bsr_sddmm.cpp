// dθ = dY·Xᵀ gathered on the pattern, block rows in panels, 16-lane tiles.
// A block row's dY is transposed once to [lane][m] and shared by all its blocks; each block is then the register tile with X as the
// scalar operand and the lanes of all tiles as the contraction. Few input channels: rows of several taps share one tile (GatherTile).

#include <algorithm>
#include <cstdint>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <weft/kernels/cpu/bsr_sddmm.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <weft/kernels/cpu/register_tile-inl.hpp>
#include <weft/kernels/cpu/transpose-inl.hpp>
#include <weft/kernels/cpu/weight_parts.hpp>
#include <weft/kernels/kernel_table.hpp>
#include <weft/kernels/plan.hpp>

HWY_BEFORE_NAMESPACE();
namespace weft::kernels::HWY_NAMESPACE {

/// The tiles of one chunk of positions, each as a run of 16 lanes.
template <class T>
struct LaneRuns {
  static constexpr Prefetch kPrefetch = Prefetch::no;
  const T* x;
  const T* dy;
  std::int64_t x_tile, x_back, dy_tile;  ///< x_back: from behind the last tile to the next position's first
  std::int64_t tiles, left;
  std::int64_t lanes;  ///< 16, but not known when compiled: an unrolled lane loop spills
  std::int64_t tile = 0;

  HWY_INLINE bool next(Run<T>& run) {
    if (left-- == 0) return false;
    run = {x, dy, lanes, 16, nullptr};
    x += x_tile;
    dy += dy_tile;
    if (++tile == tiles) {
      tile = 0;
      x += x_back;
    }
    return true;
  }
};

/// MR rows of dθ that lie anywhere, from MR rows of X that lie anywhere: for untied blocks of few columns (tied ones: bsr_narrow_dw).
template <class T, int MR>
HWY_NOINLINE void GatherTile(const T* const* x_rows, std::int64_t x_tile, const T* dy, std::int64_t dy_tile, std::int64_t stride,
                             std::int64_t tiles, bool from_zero, T* const* c) {
  const TileTag<T> d;
  using V = hn::Vec<TileTag<T>>;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(d)), kV = kVectors<T>;
  V acc[MR * kV];
  const T* x[MR];
  WEFT_UNROLL for (int r = 0; r < MR; ++r) {
    x[r] = x_rows[r];
    WEFT_UNROLL for (int v = 0; v < kV; ++v) acc[r * kV + v] = from_zero ? hn::Zero(d) : hn::LoadU(d, c[r] + v * kLanes);
  }
  for (; tiles > 0; --tiles, dy += dy_tile) {
    const T* HWY_RESTRICT b = dy;
    WEFT_NO_UNROLL for (int lane = 0; lane < 16; ++lane, b += stride) {
      V values[kV];
      WEFT_UNROLL for (int v = 0; v < kV; ++v) values[v] = hn::LoadU(d, b + v * kLanes);
      WEFT_UNROLL for (int r = 0; r < MR; ++r) {
        const V scalar = hn::Set(d, x[r][lane]);
        WEFT_UNROLL for (int v = 0; v < kV; ++v) acc[r * kV + v] = hn::MulAdd(values[v], scalar, acc[r * kV + v]);
      }
    }
    WEFT_UNROLL for (int r = 0; r < MR; ++r) x[r] += x_tile;
  }
  WEFT_UNROLL for (int r = 0; r < MR; ++r) { WEFT_UNROLL for (int v = 0; v < kV; ++v) hn::StoreU(acc[r * kV + v], d, c[r] + v * kLanes); }
}

/// Asks for 16 rows of 16 lanes: those of the next block row, which lie too far apart for the processor to guess.
template <class T>
HWY_INLINE void PrefetchRows(const T* rows) {
  constexpr int kLine = 64 / sizeof(T);
  WEFT_UNROLL for (int line = 0; line < 256 / kLine; ++line) hwy::Prefetch(rows + line * kLine);
}

/// Rows of X and of dθ for GatherTile.
template <class T>
struct GatherRows {
  std::vector<const T*> x;
  std::vector<T*> c;
};

template <class T>
class WeightGradient {
 public:
  explicit WeightGradient(const SddmmCall& call)
      : s_(call.s),
        block_(call.s.block()),
        plan_(call.s.plan<RunPlan>(RunPlan::make)),
        x_(call.x.data<T>()),
        dy_(call.dy.data<T>()),
        x_tile_(call.x.tile_stride()),
        dy_tile_(call.dy.tile_stride()),
        tiles_(call.x.columns()->tiles()),
        lanes_(call.x.columns()->lanes),
        classes_(classes_of(call.s)),
        parts_(call, block_.panels(), classes_ == nullptr ? nullptr : &classes_->cost) {
    const bool few_rows = std::any_of(plan_.runs.begin(), plan_.runs.end(), [](const RunPlan::Run& r) { return r.length < kFewRows; });
    gathers_ = few_rows && !plan_.repeats;
    rows_at_once_ = few_rows || plan_.repeats ? 1 : std::max<std::int64_t>(1, kChunkTiles / std::max<std::int64_t>(1, tiles_));
  }

  void run(T* values) {
    parallel_for(parts_.count() * block_.panels(), [&, this](std::int64_t item) {
      const std::int64_t part = item / block_.panels();
      const int panel = static_cast<int>(item % block_.panels());
      for_groups(part, [&](const ClassPlan::Group& group) { add_group(group, part, panel); });
    });
    parts_.finish();
    clear_masked(s_, values);
  }

 private:
  /// Tiles whose dY is transposed at once, of several block rows where a batch has few: 256 lanes of a 32-row panel are 32 KiB.
  static constexpr std::int64_t kChunkTiles = 16;
  static constexpr int kFewRows = 8;  // shorter runs leave the register tile mostly empty

  /// The classes of a tied pattern, if it has several.
  static const ClassPlan* classes_of(const SparsePattern& s) {
    if (!s.tied()) return nullptr;
    const ClassPlan& plan = s.plan<ClassPlan>(ClassPlan::make);
    return plan.classes() < 2 ? nullptr : &plan;
  }

  /// Calls f(group) for the block rows of a part.
  template <class F>
  void for_groups(std::int64_t part, F&& f) const {
    const std::int64_t begin = parts_.begin(part), end = parts_.end(part);
    if (classes_ != nullptr) {
      for (std::int64_t c = begin; c < end; ++c) classes_->for_share(c, parts_.share(part), parts_.shares(), f);
      return;
    }
    for (const GroupPlan::Group& group : s_.plan<GroupPlan>(GroupPlan::make).groups) {
      const auto first = std::max<std::int64_t>(group.first, begin), last = std::min<std::int64_t>(group.first + group.count, end);
      if (first < last) f({static_cast<std::int32_t>(first), static_cast<std::int32_t>(last - first), 1, group.x_shift});
    }
  }

  void add_group(const ClassPlan::Group& group, std::int64_t part, int panel) {
    static thread_local std::vector<T> dy_t;
    static thread_local GatherRows<T> gather;
    for (std::int64_t i = 0; i < group.count; i += rows_at_once_) {
      const std::int64_t rows = std::min(rows_at_once_, group.count - i), first = group.first + i * group.row_step;
      for (std::int64_t tile = 0; tile == 0 || tile < tiles_; tile += kChunkTiles)
        chunk({first, rows, group.row_step, group.x_shift, tile, std::min(kChunkTiles, tiles_ - tile)}, part, panel, dy_t, gather);
    }
  }

  /// Block rows row, row + step, … of one group (equal slots, X moving by `shift` rows) and tiles, whose dY is transposed at once.
  struct Chunk {
    std::int64_t row, rows, step, shift, tile, tiles;
  };

  void chunk(const Chunk& c, std::int64_t part, int p, std::vector<T>& dy_t, GatherRows<T>& gather) {
    const int first = p * ValueLayout::kPanelRows, rows = std::clamp(s_.height_of(c.row) - first, 0, ValueLayout::kPanelRows);
    const int stride = block_.panel_stride(p);
    const std::int64_t size = c.tiles * 16 * stride;
    dy_t.resize(static_cast<std::size_t>(std::max<std::int64_t>(1, c.rows * size)));
    for (std::int64_t i = 0; i < c.rows; ++i) {
      const std::int64_t row = (c.row + i * c.step) * block_.height + first;
      transpose(row, rows, stride, c, dy_t.data() + i * size);
      if (T* bias = parts_.bias(part, p)) add_bias(row, rows, stride, c.tiles, dy_t.data() + i * size, bias);
    }
    panel_products(c, p, dy_t.data(), parts_.values(part), gather);
  }

  /// dY of one block row's panel as [tile][lane][m].
  void transpose(std::int64_t row, int rows, int stride, const Chunk& c, T* out) const {
    for (std::int64_t t = 0; t < c.tiles; ++t, out += std::int64_t{16} * stride)
      for (int m = 0; m < stride; m += 16) {
        const T* from = dy_ + (c.tile + t) * dy_tile_ + (row + m) * 16;
        PrefetchRows(from + c.rows * c.step * block_.height * 16);
        TransposeRows(from, std::clamp(rows - m, 0, 16), out + m, stride);
      }
  }

  /// bias[m] += Σ lanes of dYᵀ, 16 rows at a time, in four chains.
  void add_bias(std::int64_t row, int rows, int stride, std::int64_t tiles, const T* dy_t, T* bias) const {
    const TileTag<T> d;
    constexpr int kLanes = static_cast<int>(hn::MaxLanes(TileTag<T>()));
    T sums[ValueLayout::kPanelRows];
    for (int m = 0; m < stride; m += kLanes) {
      auto a = hn::Zero(d), b = a, c = a, e = a;
      const T* at = dy_t + m;
      for (std::int64_t lane = 0; lane < tiles * 16; lane += 4, at += 4 * stride) {
        a = hn::Add(a, hn::LoadU(d, at));
        b = hn::Add(b, hn::LoadU(d, at + stride));
        c = hn::Add(c, hn::LoadU(d, at + 2 * stride));
        e = hn::Add(e, hn::LoadU(d, at + 3 * stride));
      }
      hn::StoreU(hn::Add(hn::Add(a, b), hn::Add(c, e)), d, sums + m);
    }
    for (int m = 0; m < rows; ++m) bias[(row + m) % parts_.bias_size()] += sums[m];
  }

  void panel_products(const Chunk& c, int p, const T* dy_t, T* values, GatherRows<T>& gather) const {
    const int stride = block_.panel_stride(p);
    const RunPlan::Run* begin = plan_.runs.data() + plan_.ptr[static_cast<std::size_t>(c.row)];
    const RunPlan::Run* end = plan_.runs.data() + plan_.ptr[static_cast<std::size_t>(c.row) + 1];
    const bool from_zero = c.tile == 0 && !parts_.accumulates();
    if (gathers_ && begin != end && begin->length < kFewRows)
      return gathered(begin, end, p, c.tile, c.tiles, from_zero, dy_t, values, gather);
    const FromTarget<T> start{from_zero};
    for (const RunPlan::Run* run = begin; run != end; ++run) {
      const T* x = x_ + c.tile * x_tile_ + std::int64_t{run->x_row} * 16;
      T* out = values + run->slot * block_.slot_size() + block_.panel_offset(p);
      const auto make_at = [&](int m) {
        return [&, m](int k) {
          return LaneRuns<T>{x + k * 16, dy_t + m,         x_tile_, c.shift * 16 - c.tiles * x_tile_, std::int64_t{16} * stride,
                             c.tiles,    c.rows * c.tiles, lanes_};
        };
      };
      if constexpr (kMaxTiles<T> >= 2) {
        if (stride == 32) {
          TileRows<T, 2, 16, 32>(run->length, make_at(0), 1, stride, 16, start, Target<T>{out, 16});
          continue;
        }
      }
      if (stride == 16) TileRows<T, 1, 16, 16>(run->length, make_at(0), 1, stride, 16, start, Target<T>{out, 16});
      else
        for (int m = 0; m < 32; m += 16) TileRows<T, 1, 16, 32>(run->length, make_at(m), 1, stride, 16, start, Target<T>{out + m, 16});
    }
  }

  void gathered(const RunPlan::Run* begin, const RunPlan::Run* end, int p, std::int64_t tile, std::int64_t tiles, bool from_zero,
                const T* dy_t, T* values, GatherRows<T>& gather) const {
    const int stride = block_.panel_stride(p);
    for (int m = 0; m < stride; m += 16) {
      gather.x.clear();
      gather.c.clear();
      for (const RunPlan::Run* run = begin; run != end; ++run)
        for (int k = 0; k < run->length; ++k) {
          gather.x.push_back(x_ + tile * x_tile_ + std::int64_t{run->x_row + k} * 16);
          gather.c.push_back(values + run->slot * block_.slot_size() + block_.panel_offset(p) + std::int64_t{k} * stride + m);
        }
      std::size_t at = 0;
      const auto take = [&](auto rows) {
        constexpr int kRows = decltype(rows)::value;
        if constexpr (kRows * kVectors<T> <= (kVectors<T> == 1 ? 24 : 12))
          for (; gather.x.size() - at >= kRows; at += kRows)
            GatherTile<T, kRows>(gather.x.data() + at, x_tile_, dy_t + m, std::int64_t{16} * stride, stride, tiles, from_zero,
                                 gather.c.data() + at);
      };
      take(std::integral_constant<int, 9>());
      take(std::integral_constant<int, 4>());
      take(std::integral_constant<int, 2>());
      take(std::integral_constant<int, 1>());
    }
  }

  const SparsePattern& s_;
  const ValueLayout& block_;
  const RunPlan& plan_;
  const T* x_;
  const T* dy_;
  std::int64_t x_tile_, dy_tile_, tiles_, lanes_;
  const ClassPlan* classes_;
  WeightParts<T> parts_;
  bool gathers_;
  std::int64_t rows_at_once_;
};

void BsrSddmmF32(const SddmmCall& call) { WeightGradient<float>(call).run(call.dvalues.data<float>()); }
void BsrSddmmF64(const SddmmCall& call) { WeightGradient<double>(call).run(call.dvalues.data<double>()); }

}  // namespace weft::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft::kernels {

HWY_EXPORT(BsrSddmmF32);
HWY_EXPORT(BsrSddmmF64);
void bsr_tiles_dw_f32(const SddmmCall& call) { HWY_DYNAMIC_DISPATCH(BsrSddmmF32)(call); }
void bsr_tiles_dw_f64(const SddmmCall& call) { HWY_DYNAMIC_DISPATCH(BsrSddmmF64)(call); }

}  // namespace weft::kernels
#endif
