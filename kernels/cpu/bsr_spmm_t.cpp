// dX = S(θ)ᵀ·dY, block columns, 16-lane tiles, straight from the forward values: the same register tile with the panel's width as
// row stride. Values [slot][panel][k][m]; dX, dY [tile][row][lane].

#include <algorithm>
#include <cstdint>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <weft/kernels/cpu/bsr_spmm_t.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <weft/core/cache.hpp>
#include <weft/kernels/cpu/register_tile-inl.hpp>
#include <weft/kernels/kernel_table.hpp>

HWY_BEFORE_NAMESPACE();
namespace weft::kernels::HWY_NAMESPACE {

/// The blocks of a column, each as one run a panel.
template <class T, Prefetch kFetch>
struct ColumnRuns {
  static constexpr Prefetch kPrefetch = kFetch;
  /// The tile's rows of the next block (row stride times rows, contiguous) over the steps of this one.
  HWY_INLINE static void prefetch(const T*& ahead, int rows, std::int64_t) {
    hwy::Prefetch(ahead);
    ahead += rows;
  }

  const SparsePattern* s;
  const std::int32_t* row;
  const std::int32_t* slot;
  const std::int32_t* row_end;
  const T* values;
  const T* dy;
  std::int64_t k;  ///< first column of the block that the tile covers
  std::int64_t slot_size;
  int panel = 0;

  HWY_INLINE bool next(Run<T>& run) {
    if (row == row_end) return false;
    const ValueLayout& block = s->block();
    const int height = s->height_of(*row), first = panel * ValueLayout::kPanelRows;
    run.row_stride = block.panel_stride(panel);
    run.a = values + *slot * slot_size + block.panel_offset(panel) + k * run.row_stride;
    run.b = dy + (std::int64_t{*row} * block.height + first) * 16;
    run.length = std::min(ValueLayout::kPanelRows, height - first);
    if (first + ValueLayout::kPanelRows < height) {
      ++panel;
    } else {
      panel = 0;
      ++row;
      ++slot;
    }
    if constexpr (kFetch == Prefetch::yes) {
      run.ahead = run.a;
      if (row != row_end) run.ahead = values + *slot * slot_size + block.panel_offset(panel) + k * block.panel_stride(panel);
    }
    return true;
  }
};

template <class T>
struct Transposed {
  const SpmmTCall& call;
  const SparsePattern::ColumnView& view = call.s.by_column();
  const T* values = call.values.data<T>();
  const T* dy = call.dy.data<T>();
  T* dx = call.dx.data<T>();
  std::int64_t dy_tile = call.dy.tile_stride(), dx_tile = call.dx.tile_stride();
  // Worth it, other than forward, as soon as the values fill L2.
  Prefetch fetches = call.s.values_size() * static_cast<std::int64_t>(sizeof(T)) >= l2_bytes() ? Prefetch::yes : Prefetch::no;

  template <int NT, int RS, Prefetch kFetch>
  void columns_as(std::int64_t begin, std::int64_t end, std::int64_t tile) const {
    const ValueLayout& block = call.s.block();
    for (std::int64_t c = begin; c < end; ++c) {
      const auto at = static_cast<std::size_t>(c);
      const auto first = static_cast<std::size_t>(view.ptr[at]), last = static_cast<std::size_t>(view.ptr[at + 1]);
      const auto make = [&](int k) {
        return ColumnRuns<T, kFetch>{
            &call.s, view.row.data() + first, view.slot.data() + first, view.row.data() + last, values, dy + tile * dy_tile,
            k,       block.slot_size()};
      };
      T* out = dx + tile * dx_tile + c * block.width * 16;
      TileRows<T, NT, RS, 16>(call.s.width_of(c), make, 1, 16, dy_tile, FromTarget<T>{!call.adds}, Target<T>{out, dx_tile});
    }
  }

  template <int NT, int RS>
  void columns(std::int64_t begin, std::int64_t end, std::int64_t tile) const {
    if (fetches == Prefetch::yes) columns_as<NT, RS, Prefetch::yes>(begin, end, tile);
    else columns_as<NT, RS, Prefetch::no>(begin, end, tile);
  }

  template <int NT>
  void by_stride(std::int64_t begin, std::int64_t end, std::int64_t tile) const {
    const ValueLayout& block = call.s.block();
    const int stride = block.panel_stride(0);
    if (block.panel_stride(block.panels() - 1) != stride) columns<NT, kDynamicStride>(begin, end, tile);
    else if (stride == 16) columns<NT, 16>(begin, end, tile);
    else columns<NT, 32>(begin, end, tile);
  }

  void run() const {
    over_rows_and_tiles<T>(call.s.grid_cols(), &view.ptr, call.dy.columns()->tiles(), fetches,
                           [this](std::int64_t begin, std::int64_t end, std::int64_t tile, int count) {
                             with_tile_count<T>(count, [&](auto tiles) { by_stride<decltype(tiles)::value>(begin, end, tile); });
                           });
  }
};

void BsrSpmmTF32(const SpmmTCall& call) { Transposed<float>{call}.run(); }
void BsrSpmmTF64(const SpmmTCall& call) { Transposed<double>{call}.run(); }

}  // namespace weft::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft::kernels {

HWY_EXPORT(BsrSpmmTF32);
HWY_EXPORT(BsrSpmmTF64);
void bsr_tiles_t_f32(const SpmmTCall& call) { HWY_DYNAMIC_DISPATCH(BsrSpmmTF32)(call); }
void bsr_tiles_t_f64(const SpmmTCall& call) { HWY_DYNAMIC_DISPATCH(BsrSpmmTF64)(call); }

}  // namespace weft::kernels
#endif
