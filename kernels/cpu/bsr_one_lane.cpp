// The three products for lanes = 1, layout [sample][row]: vectors run over the output rows of a block (values [k][m], m fastest).
// Forward: block rows that differ by a shift (pixels of a convolution), or the samples, share each weight vector they load.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <weft/kernels/cpu/bsr_one_lane.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <weft/kernels/cpu/lane_sums.hpp>
#include <weft/kernels/cpu/register_tile-inl.hpp>
#include <weft/kernels/cpu/weight_parts.hpp>
#include <weft/kernels/kernel_table.hpp>
#include <weft/kernels/plan.hpp>

HWY_BEFORE_NAMESPACE();
namespace weft::kernels::HWY_NAMESPACE {

/// Runs whose scalar operand is X (rows of the tile: neighbouring positions or samples) and whose vectors are values.
template <class T>
struct PositionRuns {
  static constexpr Prefetch kPrefetch = Prefetch::no;
  const RunPlan::Run* at;
  const RunPlan::Run* end;
  const T* values;
  const T* x;
  std::int64_t slot_size, position_stride;

  HWY_INLINE bool next(Run<T>& run) {
    if (at == end) return false;
    run = {x + at->x_row, values + at->slot * slot_size, at->length, position_stride, nullptr};
    ++at;
    return true;
  }
};

template <class T>
struct OneLaneForward {
  const SpmmCall& call;
  const SparsePattern& s = call.s;
  const ValueLayout& block = call.s.block();
  const RunPlan& plan = call.s.plan<RunPlan>(RunPlan::make);
  const GroupPlan& groups = call.s.plan<GroupPlan>(GroupPlan::make);
  std::int64_t samples = call.x.columns()->count;

  /// Rows of `positions` block rows from r on (X shifted by x_stride, Y by y_stride from one to the next), for one sample or, when
  /// positions are samples, for all of them.
  void positions(std::int64_t r, int count, std::int64_t x_stride, std::int64_t y_stride, const T* x, T* y) const {
    for (int panel = 0, height = s.height_of(r); panel * ValueLayout::kPanelRows < height; ++panel) {
      const int first = panel * ValueLayout::kPanelRows;
      const Positions to{
          r * block.height + first, std::min(ValueLayout::kPanelRows, height - first), count, x_stride, y_stride, x, y + first};
      const T* values = call.values.data<T>() + block.panel_offset(panel);
      if (block.panel_stride(panel) == 16) rows_of<1, 16>(r, to, values);
      else if constexpr (kMaxTiles<T> >= 2) rows_of<2, 32>(r, to, values);
      else
        for (int m = 0; m < to.rows; m += 16)
          rows_of<1, 32>(r, {to.row + m, std::min(16, to.rows - m), count, x_stride, y_stride, x, to.y + m}, values + m);
    }
  }

  /// Where rows [row, row + rows) of several positions come from and go to.
  struct Positions {
    std::int64_t row;
    int rows, count;
    std::int64_t x_stride, y_stride;
    const T* x;
    T* y;
  };

  /// NT vectors of 16 rows side by side, each position one row of the register tile.
  template <int NT, int kStride>
  void rows_of(std::int64_t r, const Positions& to, const T* values) const {
    constexpr int kMost = 32, kWide = NT * 16;
    const RunPlan::Run* begin = plan.runs.data() + plan.ptr[static_cast<std::size_t>(r)];
    const RunPlan::Run* end = plan.runs.data() + plan.ptr[static_cast<std::size_t>(r) + 1];
    T result[kMost * kWide], bias[kWide] = {};
    FromLanes<T> start{kNoBias<T>};
    if (call.bias.defined()) {
      for (int i = 0; i < to.rows; ++i) bias[i] = call.bias.data<T>()[(to.row + i) % call.bias.row_count()];
      start.bias = bias;
    }
    if (call.adds) start.bias = nullptr;
    for (int first = 0; first < to.count; first += kMost) {
      const int here = std::min(kMost, to.count - first);
      const auto make = [&](int p) {
        return PositionRuns<T>{begin, end, values, to.x + (first + p) * to.x_stride, block.slot_size(), to.x_stride};
      };
      if (call.adds) {
        std::fill_n(result, here * kWide, T{});
        for (int p = 0; p < here; ++p) std::copy_n(to.y + (first + p) * to.y_stride, to.rows, result + p * kWide);
      }
      TileRows<T, NT, kDynamicStride, kWide>(here, make, 1, kStride, 16, start, Target<T>{result, 16});
      for (int p = 0; p < here; ++p)
        std::memcpy(to.y + (first + p) * to.y_stride, result + p * kWide, static_cast<std::size_t>(to.rows) * sizeof(T));
    }
  }

  void run() const {
    const auto work = static_cast<std::int64_t>(groups.groups.size());
    if (work == 0) return;
    const std::int64_t x_tile = call.x.tile_stride(), y_tile = call.y.tile_stride();
    const bool one_bias = !call.bias.defined() || block.height % call.bias.row_count() == 0;  // every block row of a group adds the same
    parallel_for(work, [&](std::int64_t g) {
      const GroupPlan::Group& group = groups.groups[static_cast<std::size_t>(g)];
      T* y = call.y.data<T>() + std::int64_t{group.first} * block.height;
      const T* x = call.x.data<T>();
      if (group.count == 1 || !one_bias) {
        for (int i = 0; i < group.count; ++i)
          positions(group.first + i, static_cast<int>(samples), x_tile, y_tile, x, y + std::int64_t{i} * block.height);
        return;
      }
      for (std::int64_t n = 0; n < samples; ++n)
        positions(group.first, group.count, group.x_shift, block.height, x + n * x_tile, y + n * y_tile);
    });
  }
};

/// dX rows of a block column for one sample: kRows columns k of each block side by side, vectors over the output rows m.
template <class T, int kRows>
HWY_NOINLINE void OneLaneColumns(const SpmmTCall& call, std::int64_t c, int k, const T* dy, T* dx) {
  const ValueLayout& block = call.s.block();
  const auto& view = call.s.by_column();
  const TileTag<T> d;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(TileTag<T>())), kV = kVectors<T>;
  hn::Vec<TileTag<T>> acc[kRows * kV];
  WEFT_UNROLL for (int i = 0; i < kRows * kV; ++i) acc[i] = hn::Zero(d);
  for (std::int64_t e = view.ptr[static_cast<std::size_t>(c)]; e < view.ptr[static_cast<std::size_t>(c) + 1]; ++e) {
    const std::int64_t r = view.row[static_cast<std::size_t>(e)];
    const T* from = dy + r * block.height;
    const T* values = call.values.data<T>() + view.slot[static_cast<std::size_t>(e)] * block.slot_size();
    const int height = call.s.height_of(r);
    for (int m = 0; m < height; m += 16) {
      T padded[16] = {};  // values are zero beyond the block, but what follows in dY may not be finite
      if (height - m < 16) std::copy_n(from + m, height - m, padded);
      const T* rows = height - m < 16 ? padded : from + m;
      const T* at = values + block.offset(m, k);
      const std::int64_t stride = block.panel_stride(m / ValueLayout::kPanelRows);
      WEFT_UNROLL for (int v = 0; v < kV; ++v) {
        const auto y = hn::LoadU(d, rows + v * kLanes);
        WEFT_UNROLL for (int i = 0; i < kRows; ++i) acc[i * kV + v] =
            hn::MulAdd(hn::LoadU(d, at + i * stride + v * kLanes), y, acc[i * kV + v]);
      }
    }
  }
  for (int i = 0; i < kRows; ++i) {
    T sums[16];
    WEFT_UNROLL for (int v = 0; v < kV; ++v) hn::StoreU(acc[i * kV + v], d, sums + v * kLanes);
    dx[i] = call.adds ? dx[i] + sum_of_16(sums) : sum_of_16(sums);
  }
}

template <class T>
void OneLaneTransposed(const SpmmTCall& call) {
  constexpr int kMost = kVectors<T> == 1 ? 8 : 2;
  parallel_for(call.s.grid_cols(), [&](std::int64_t c) {
    const int width = call.s.width_of(c);
    for (std::int64_t n = 0; n < call.dy.columns()->count; ++n) {
      const T* dy = call.dy.data<T>() + n * call.dy.tile_stride();
      T* dx = call.dx.data<T>() + n * call.dx.tile_stride() + c * call.s.block().width;
      int k = 0;
      for (; k + kMost <= width; k += kMost) OneLaneColumns<T, kMost>(call, c, k, dy, dx + k);
      for (; k < width; ++k) OneLaneColumns<T, 1>(call, c, k, dy, dx + k);
    }
  });
}

/// dθ[k][m] = Σ over samples and the blocks of a part x[k]·dy[m].
template <class T>
void OneLaneSddmm(const SddmmCall& call) {
  const SparsePattern& s = call.s;
  const ValueLayout& block = s.block();
  const TileTag<T> d;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(TileTag<T>()));
  WeightParts<T> parts(call);
  if (!parts.accumulates()) std::fill_n(call.dvalues.data<T>(), s.values_size(), T{});
  parallel_for(parts.count(), [&](std::int64_t part) {
    for (std::int64_t r = parts.begin(part); r < parts.end(part); ++r)
      for (std::int64_t n = 0; n < call.x.columns()->count; ++n) {
        const int height = s.height_of(r);
        const T* dy = call.dy.data<T>() + n * call.dy.tile_stride() + r * block.height;
        if (parts.bias(part) != nullptr)
          for (int m = 0; m < height; ++m) parts.bias(part)[(r * block.height + m) % parts.bias_size()] += dy[m];
        for (int m = 0; m < height; m += 16) {
          T padded[16] = {};
          std::copy_n(dy + m, std::min(16, height - m), padded);
          for (std::int64_t e = s.row_ptr()[static_cast<std::size_t>(r)]; e < s.row_ptr()[static_cast<std::size_t>(r) + 1]; ++e) {
            const std::int64_t c = s.col()[static_cast<std::size_t>(e)];
            const T* x = call.x.data<T>() + n * call.x.tile_stride() + c * block.width;
            T* out = parts.values(part) + s.slot(e) * block.slot_size();
            for (int k = 0; k < s.width_of(c); ++k)
              for (int v = 0; v < 16; v += kLanes) {
                T* at = out + block.offset(m, k) + v;
                hn::StoreU(hn::MulAdd(hn::Set(d, x[k]), hn::LoadU(d, padded + v), hn::LoadU(d, at)), d, at);
              }
          }
        }
      }
  });
  parts.finish();
  clear_masked(s, call.dvalues.data<T>());
}

void OneLaneSpmmF32(const SpmmCall& call) { OneLaneForward<float>{call}.run(); }
void OneLaneSpmmF64(const SpmmCall& call) { OneLaneForward<double>{call}.run(); }
void OneLaneSpmmTF32(const SpmmTCall& call) { OneLaneTransposed<float>(call); }
void OneLaneSpmmTF64(const SpmmTCall& call) { OneLaneTransposed<double>(call); }
void OneLaneSddmmF32(const SddmmCall& call) { OneLaneSddmm<float>(call); }
void OneLaneSddmmF64(const SddmmCall& call) { OneLaneSddmm<double>(call); }

}  // namespace weft::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft::kernels {

HWY_EXPORT(OneLaneSpmmF32);
HWY_EXPORT(OneLaneSpmmF64);
HWY_EXPORT(OneLaneSpmmTF32);
HWY_EXPORT(OneLaneSpmmTF64);
HWY_EXPORT(OneLaneSddmmF32);
HWY_EXPORT(OneLaneSddmmF64);
void bsr_one_lane_f32(const SpmmCall& call) { HWY_DYNAMIC_DISPATCH(OneLaneSpmmF32)(call); }
void bsr_one_lane_f64(const SpmmCall& call) { HWY_DYNAMIC_DISPATCH(OneLaneSpmmF64)(call); }
void bsr_one_lane_t_f32(const SpmmTCall& call) { HWY_DYNAMIC_DISPATCH(OneLaneSpmmTF32)(call); }
void bsr_one_lane_t_f64(const SpmmTCall& call) { HWY_DYNAMIC_DISPATCH(OneLaneSpmmTF64)(call); }
void bsr_one_lane_dw_f32(const SddmmCall& call) { HWY_DYNAMIC_DISPATCH(OneLaneSddmmF32)(call); }
void bsr_one_lane_dw_f64(const SddmmCall& call) { HWY_DYNAMIC_DISPATCH(OneLaneSddmmF64)(call); }

}  // namespace weft::kernels
#endif
