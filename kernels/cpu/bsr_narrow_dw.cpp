// dθ = dY·Xᵀ on tied blocks with few columns (first layers: grey or colour pixels, a series' channels), 16-lane tiles.
// Nothing is transposed: rows of X times rows of dY accumulate lane by lane, over all positions that share their blocks, and the lanes are
// added once at the end. A max window that follows the product is undone on the way: dY stays pooled, its choices are load masks.

#include <algorithm>
#include <cstdint>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <weft/kernels/cpu/bsr_narrow_dw.cpp>
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <weft/core/parallel.hpp>
#include <weft/kernels/cpu/epilogue_rows-inl.hpp>
#include <weft/kernels/cpu/lane_sums.hpp>
#include <weft/kernels/cpu/unroll.hpp>
#include <weft/kernels/cpu/weight_parts.hpp>
#include <weft/kernels/kernel_table.hpp>
#include <weft/kernels/plan.hpp>

HWY_BEFORE_NAMESPACE();
namespace weft::kernels::HWY_NAMESPACE {

template <class T>
using NarrowTag = hn::CappedTag<T, 16>;

/// Rows of X that a tile takes at once, and of dY: accumulators for two thirds of the registers.
constexpr int kMostXRows = HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_AVX2 ? 4 : 9, kMostDyRows = 2;

/// Where a block row finds its dY: its own rows, or with a window those of a pooled position, and then its place in the window.
struct DyRow {
  std::int64_t row;  ///< first row of dY, or -1: no window covers the pixel
  std::int64_t place;
};

/// dY of `count` block rows that follow each other, in `tiles` tiles.
template <class T>
struct DyRows {
  std::int64_t count, tiles;
  const DyRow* rows;
  const T* dy;
  std::int64_t tile_stride;
  const std::uint16_t* choice;  ///< null: no window
  std::int64_t choice_tile, places;

  HWY_INLINE DyRows from_tile(std::int64_t tile, std::int64_t most) const {
    return {count,       std::min(most, tiles - tile),
            rows,        dy + tile * tile_stride,
            tile_stride, choice == nullptr ? nullptr : choice + tile * choice_tile,
            choice_tile, places};
  }
  /// Lanes [first, …) of row m of a block row in the first tile.
  template <class D>
  HWY_INLINE hn::Vec<D> load(D d, const DyRow& at, std::int64_t m, int first) const {
    const std::int64_t row = at.row + m;
    const hn::Vec<D> all = hn::LoadU(d, dy + row * 16 + first);
    return choice == nullptr ? all : hn::IfThenElseZero(BitsToMask(d, choice[row * places + at.place], first), all);
  }
};

/// X for the same block rows: row k of the i-th is at rows[k] + i·shift.
template <class T>
struct XRows {
  const T* const* rows;
  std::int64_t tile_stride, shift;
};

/// Lanes [first, …): c[k][m] += Σ over tiles and block rows of X row k times dY row m.
template <class T, int MK, int MM>
HWY_NOINLINE void NarrowTile(const XRows<T>& x, const DyRows<T>& dy, int m, int first, T* const* c) {
  const NarrowTag<T> d;
  using V = hn::Vec<NarrowTag<T>>;
  V acc[MK * MM];
  WEFT_UNROLL for (int k = 0; k < MK; ++k) {
    WEFT_UNROLL for (int j = 0; j < MM; ++j) acc[k * MM + j] = hn::LoadU(d, c[k] + (m + j) * 16 + first);
  }
  for (std::int64_t tile = 0; tile < dy.tiles; ++tile) {
    const DyRows<T> here = dy.from_tile(tile, 1);
    std::int64_t offset = tile * x.tile_stride + first;
    WEFT_NO_UNROLL for (std::int64_t i = 0; i < dy.count; ++i, offset += x.shift) {
      if (dy.rows[i].row < 0) continue;
      V g[MM];
      WEFT_UNROLL for (int j = 0; j < MM; ++j) {
        g[j] = here.load(d, dy.rows[i], m + j, first);
        hwy::Prefetch(here.dy + (dy.rows[i].row + m + MM + j) * 16 + first);  // for the next rows of dY
      }
      WEFT_UNROLL for (int k = 0; k < MK; ++k) {
        const V row = hn::LoadU(d, x.rows[k] + offset);
        WEFT_UNROLL for (int j = 0; j < MM; ++j) acc[k * MM + j] = hn::MulAdd(row, g[j], acc[k * MM + j]);
      }
    }
  }
  WEFT_UNROLL for (int k = 0; k < MK; ++k) {
    WEFT_UNROLL for (int j = 0; j < MM; ++j) hn::StoreU(acc[k * MM + j], d, c[k] + (m + j) * 16 + first);
  }
}

/// sums[m] += Σ over tiles and block rows of dY row m: one stream, which also brings dY into L2.
template <class T>
HWY_NOINLINE void NarrowBias(const DyRows<T>& dy, int height, T* sums) {
  const NarrowTag<T> d;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(NarrowTag<T>()));
  for (std::int64_t tile = 0; tile < dy.tiles; ++tile) {
    const DyRows<T> here = dy.from_tile(tile, 1);
    for (std::int64_t i = 0; i < dy.count; ++i) {
      if (dy.rows[i].row < 0) continue;
      for (int m = 0; m < height; ++m)
        for (int first = 0; first < 16; first += kLanes) {
          T* sum = sums + m * 16 + first;
          hn::StoreU(hn::Add(hn::LoadU(d, sum), here.load(d, dy.rows[i], m, first)), d, sum);
        }
    }
  }
}

template <class T>
class NarrowGradient {
 public:
  explicit NarrowGradient(const SddmmCall& call)
      : call_(call),
        s_(call.s),
        block_(call.s.block()),
        plan_(call.s.plan<RunPlan>(RunPlan::make)),
        tiles_(call.x.columns()->tiles()),
        bias_(call.dbias.defined() && call.dbias.row_count() == block_.height),
        parts_(call) {
    find_dy();
  }

  void run() {
    const std::vector<GroupPlan::Group>& groups = s_.plan<GroupPlan>(GroupPlan::make).groups;
    parallel_for(parts_.count(), [&](std::int64_t part) {
      static thread_local Scratch scratch;
      scratch.sums.assign(static_cast<std::size_t>(sums_rows() * block_.height * 16), T{});
      for (const GroupPlan::Group& group : groups) {
        const std::int64_t first = std::max<std::int64_t>(group.first, parts_.begin(part));
        const std::int64_t last = std::min<std::int64_t>(group.first + group.count, parts_.end(part));
        if (first < last) add_group(first, last - first, group.x_shift, scratch);
      }
      reduce(scratch.sums.data(), part);
    });
    parts_.finish();
    clear_masked(s_, call_.dvalues.data<T>());
    if (call_.dbias.defined() && !bias_) bias_gradient<T>(call_);
  }

 private:
  /// Kept between calls: a steady step allocates nothing.
  struct Scratch {
    std::vector<T> sums;  ///< [slot][k][m][lane], then the bias's [m][lane]
    std::vector<const T*> x;
    std::vector<T*> c;
  };

  std::int64_t sums_rows() const { return std::int64_t{s_.slots()} * block_.width + 1; }

  void find_dy() {
    const MaxWindow& w = call_.epilogue.window;
    dy_rows_.resize(static_cast<std::size_t>(s_.grid_rows()));
    for (std::int64_t r = 0; r < s_.grid_rows(); ++r) {
      DyRow& at = dy_rows_[static_cast<std::size_t>(r)];
      at = {r * block_.height, 0};
      if (!w) continue;
      const std::int64_t y = r / w.in.w, x = r % w.in.w, oy = y / w.kernel, ox = x / w.kernel;
      const bool covered = oy < w.out().h && ox < w.out().w;
      at = {covered ? (oy * w.out().w + ox) * block_.height : -1, y % w.kernel * w.kernel + x % w.kernel};
    }
  }

  /// Block rows [first, first + count), which hold the same slots, X moving by `shift` rows from one to the next. A few tiles at a time:
  /// their dY stays in L2 while all rows of X meet it.
  void add_group(std::int64_t first, std::int64_t count, std::int64_t shift, Scratch& scratch) const {
    constexpr std::int64_t kTilesAtOnce = 4;
    const MaxWindow& w = call_.epilogue.window;
    const DyRows<T> all{count,
                        tiles_,
                        dy_rows_.data() + first,
                        call_.dy.data<T>(),
                        call_.dy.tile_stride(),
                        w ? reinterpret_cast<const std::uint16_t*>(call_.epilogue.choice.bytes()) : nullptr,
                        w ? w.out().size() * w.size() : 0,
                        w.size()};
    for (std::int64_t tile = 0; tile < tiles_; tile += kTilesAtOnce) {
      const DyRows<T> dy = all.from_tile(tile, kTilesAtOnce);
      if (bias_) NarrowBias(dy, block_.height, scratch.sums.data() + (sums_rows() - 1) * block_.height * 16);
      add_rows(first, dy, tile * call_.x.tile_stride(), shift, scratch);
    }
  }

  void add_rows(std::int64_t first, const DyRows<T>& dy, std::int64_t x_offset, std::int64_t shift, Scratch& scratch) const {
    const auto at = static_cast<std::size_t>(first);
    const int height = s_.height_of(first);
    for (std::int64_t run = plan_.ptr[at]; run < plan_.ptr[at + 1]; ++run) {
      const RunPlan::Run& here = plan_.runs[static_cast<std::size_t>(run)];
      for (int k = 0; k < here.length; ++k) {
        scratch.x.push_back(call_.x.data<T>() + x_offset + std::int64_t{here.x_row + k} * 16);
        scratch.c.push_back(scratch.sums.data() + (std::int64_t{here.slot} * block_.width + k) * block_.height * 16);
      }
      if (plan_.repeats) take_rows(dy, shift, height, scratch);  // a sum may not be in two registers
    }
    take_rows(dy, shift, height, scratch);
  }

  /// The rows of X gathered so far meet all rows of dY; then they are none.
  void take_rows(const DyRows<T>& dy, std::int64_t shift, int height, Scratch& scratch) const {
    constexpr int kLanes = static_cast<int>(hn::MaxLanes(NarrowTag<T>()));
    for (int first = 0; first < 16; first += kLanes) {
      int m = 0;
      for (; height - m >= kMostDyRows; m += kMostDyRows) chunks<kMostDyRows>(dy, shift * 16, m, first, scratch);
      for (; m < height; ++m) chunks<1>(dy, shift * 16, m, first, scratch);
    }
    scratch.x.clear();
    scratch.c.clear();
  }

  /// As many rows of X at a time as a tile takes.
  template <int MM>
  void chunks(const DyRows<T>& dy, std::int64_t shift, int m, int first, const Scratch& scratch) const {
    std::size_t at = 0;
    const auto take = [&](auto rows) {
      constexpr int kRows = decltype(rows)::value;
      if constexpr (kRows <= kMostXRows)
        for (; scratch.x.size() - at >= kRows; at += kRows)
          NarrowTile<T, kRows, MM>({scratch.x.data() + at, call_.x.tile_stride(), shift}, dy, m, first, scratch.c.data() + at);
    };
    take(std::integral_constant<int, 9>());
    take(std::integral_constant<int, 4>());
    take(std::integral_constant<int, 2>());
    take(std::integral_constant<int, 1>());
  }

  void reduce(const T* sums, std::int64_t part) {
    T* values = parts_.values(part);
    for (std::int64_t slot = 0; slot < s_.slots(); ++slot)
      for (int k = 0; k < block_.width; ++k)
        for (int m = 0; m < block_.height; ++m, sums += 16) values[slot * block_.slot_size() + block_.offset(m, k)] = sum_of_16(sums);
    if (bias_)
      for (int m = 0; m < block_.height; ++m, sums += 16) parts_.bias(part)[m] = sum_of_16(sums);
  }

  const SddmmCall& call_;
  const SparsePattern& s_;
  const ValueLayout& block_;
  const RunPlan& plan_;
  std::int64_t tiles_;
  bool bias_;  ///< one bias a row of a block: summed on the way
  WeightParts<T> parts_;
  std::vector<DyRow>& dy_rows_ = kept_dy_rows();

  static std::vector<DyRow>& kept_dy_rows() {
    static thread_local std::vector<DyRow> kept;
    return kept;
  }
};

void BsrNarrowF32(const SddmmCall& call) { NarrowGradient<float>(call).run(); }
void BsrNarrowF64(const SddmmCall& call) { NarrowGradient<double>(call).run(); }

}  // namespace weft::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft::kernels {

HWY_EXPORT(BsrNarrowF32);
HWY_EXPORT(BsrNarrowF64);
void bsr_narrow_dw_f32(const SddmmCall& call) { HWY_DYNAMIC_DISPATCH(BsrNarrowF32)(call); }
void bsr_narrow_dw_f64(const SddmmCall& call) { HWY_DYNAMIC_DISPATCH(BsrNarrowF64)(call); }

}  // namespace weft::kernels
#endif
