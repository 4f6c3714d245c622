// Y = epilogue(S(θ)·X + bias), block rows in panels, 16-lane tiles.
// Values [slot][panel][k][m]; X, Y [tile][row][lane]. Each thread takes a range of block rows (or of tile groups where rows are few)
// and walks its tile groups with X and the weights in L2; the epilogue runs on a block row as soon as it is written, a recurrence's cell
// on a unit's gates.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <weft/kernels/cpu/bsr_spmm.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <weft/core/cache.hpp>
#include <weft/core/parallel.hpp>
#include <weft/kernels/cpu/cell_rows-inl.hpp>
#include <weft/kernels/cpu/epilogue_rows-inl.hpp>
#include <weft/kernels/cpu/register_tile-inl.hpp>
#include <weft/kernels/kernel_table.hpp>
#include <weft/kernels/plan.hpp>

HWY_BEFORE_NAMESPACE();
namespace weft::kernels::HWY_NAMESPACE {

template <class T, Prefetch kFetch>
struct ForwardRuns {
  static constexpr Prefetch kPrefetch = kFetch;
  /// The first tile of a line (16 rows) asks for it long before; the others for what that brought into L2.
  static constexpr std::int64_t kFirstAhead = 64, kNextAhead = 8;  // steps, whatever block comes next
  HWY_INLINE static void prefetch(const T*& ahead, int, std::int64_t a_step) {
    hwy::Prefetch(ahead);
    if (sizeof(T) == 8) hwy::Prefetch(ahead + 8);
    ahead += a_step;
  }

  const RunPlan::Run* at;
  const RunPlan::Run* end;
  const T* values;  ///< of the first row of the tile in slot 0
  const T* x;
  std::int64_t slot_size, ahead;

  HWY_INLINE bool next(Run<T>& run) {
    if (at == end) return false;
    run.a = values + at->slot * slot_size;
    if constexpr (kFetch == Prefetch::yes) run.ahead = run.a + ahead;
    run.b = x + std::int64_t{at->x_row} * 16;
    run.length = at->length;
    ++at;
    return true;
  }
};

/// One forward product: where everything lies.
template <class T>
struct Forward {
  explicit Forward(const SpmmCall& c)
      : call(c),
        s(c.s),
        block(c.s.block()),
        plan(c.s.plan<RunPlan>(RunPlan::make)),
        values(c.values.data<T>()),
        x(c.x.data<T>()),
        y(c.y.data<T>()),
        x_tile(c.x.tile_stride()),
        y_tile(c.y.tile_stride()) {
    if (c.bias.defined()) {
      bias = c.bias.data<T>();
      bias_length = c.bias.row_count();
    }
    if (c.cell != nullptr) cell.emplace(c.cell->which, c.cell->step);
  }

  const SpmmCall& call;
  const SparsePattern& s;
  const ValueLayout& block;
  const RunPlan& plan;
  const T* values;
  const T* x;
  T* y;
  std::int64_t x_tile, y_tile;
  const T* bias = nullptr;
  std::int64_t bias_length = 1;
  std::optional<CellRows<T>> cell;
  Prefetch fetches = s.values_size() * static_cast<std::int64_t>(sizeof(T)) > l2_bytes() ? Prefetch::yes : Prefetch::no;

  /// Rows [r·height, …) of NT tiles from `tile` on, into `out` (first row, tile stride `out_tile`).
  template <int NT>
  void block_row(std::int64_t r, std::int64_t tile, T* out, std::int64_t out_tile) const {
    const auto row = static_cast<std::size_t>(r);
    const RunPlan::Run* begin = plan.runs.data() + plan.ptr[row];
    const RunPlan::Run* end = plan.runs.data() + plan.ptr[row + 1];
    const int height = s.height_of(r);
    T gathered[ValueLayout::kPanelRows];
    for (int p = 0; p < block.panels() && p * ValueLayout::kPanelRows < height; ++p) {
      const int first = p * ValueLayout::kPanelRows, rows = std::min(ValueLayout::kPanelRows, height - first);
      const T* const zero = call.adds ? nullptr : kNoBias<T>;
      const FromRows<T> start{bias == nullptr ? zero : bias_rows(r * block.height + first, rows, gathered)};
      const Target<T> target{out + std::int64_t{first} * 16, out_tile};
      if (fetches == Prefetch::yes) panel<NT, Prefetch::yes>(begin, end, p, rows, tile, start, target);
      else panel<NT, Prefetch::no>(begin, end, p, rows, tile, start, target);
    }
  }

  template <int NT, Prefetch kFetch>
  void panel(const RunPlan::Run* begin, const RunPlan::Run* end, int p, int rows, std::int64_t tile, FromRows<T> start,
             Target<T> target) const {
    using Runs = ForwardRuns<T, kFetch>;
    const std::int64_t stride = block.panel_stride(p), next = Runs::kNextAhead * stride;
    // What follows a block's panel in memory is its next panel, but what this panel reads next is in the next block.
    const std::int64_t first = block.panels() > 1 ? block.slot_size() : Runs::kFirstAhead * stride;
    const auto make = [&](int m) {
      return Runs{begin, end, values + block.panel_offset(p) + m, x + tile * x_tile, block.slot_size(), m % 16 == 0 ? first : next};
    };
    TileRows<T, NT, 1, 16>(rows, make, stride, 16, x_tile, start, target);
  }

  /// The bias of rows [row, row + rows): in place where they do not wrap, else gathered.
  const T* bias_rows(std::int64_t row, int rows, T* gathered) const {
    const std::int64_t at = row % bias_length;
    if (at + rows <= bias_length) return bias + at;
    for (int i = 0; i < rows; ++i) gathered[i] = bias[(at + i) % bias_length];
    return gathered;
  }

  template <int NT>
  void row_with_epilogue(std::int64_t r, std::int64_t tile) const {
    const std::int64_t first = r * block.height, span = std::int64_t{s.height_of(r)} * 16;
    T* out = y + tile * y_tile + first * 16;
    block_row<NT>(r, tile, out, y_tile);
    for (int t = 0; t < NT; ++t) FinishRows(call.epilogue, call.y, tile + t, first * 16, out + t * y_tile, span);
  }

  /// Block row `u` of each gate, then the cell on its units.
  template <int NT>
  void unit_row(std::int64_t u, std::int64_t tile) const {
    const std::int64_t first = u * block.height * 16;
    for (std::int64_t r = u; r < s.grid_rows(); r += units()) block_row<NT>(r, tile, y + tile * y_tile + r * block.height * 16, y_tile);
    for (int t = 0; t < NT; ++t) cell->forward(tile + t, first, std::int64_t{block.height} * 16);
  }

  /// The block rows of one window, maximum taken as soon as all are there; `rows_here` block rows make up a position's channels.
  template <int NT>
  void window_row(std::int64_t position, std::int64_t part, std::int64_t rows_here, std::int64_t tile, T* scratch) const {
    const MaxWindow& w = call.epilogue.window;
    const Lattice out = w.out();
    const std::int64_t oy = position / out.w, ox = position % out.w;
    const std::int64_t height = block.height, one = height * 16 * NT;
    for (int i = 0; i < w.size(); ++i) {
      const std::int64_t pixel = (oy * w.kernel + i / w.kernel) * w.in.w + ox * w.kernel + i % w.kernel;
      block_row<NT>(pixel * rows_here + part, tile, scratch + i * one, height * 16);
    }
    const std::int64_t first = position * w.in.c + part * height;
    auto* choice = reinterpret_cast<std::uint16_t*>(call.epilogue.choice.bytes());
    for (int t = 0; t < NT; ++t)
      MaxRows(call.epilogue, scratch + t * height * 16, one, height, y + (tile + t) * y_tile + first * 16,
              choice + ((tile + t) * out.size() + first) * w.size());
  }

  template <int NT>
  void rows(std::int64_t begin, std::int64_t end, std::int64_t tile, std::vector<T>& scratch) const {
    if (cell) {
      for (std::int64_t u = begin; u < end; ++u) unit_row<NT>(u, tile);
      return;
    }
    if (!call.epilogue.window) {
      for (std::int64_t r = begin; r < end; ++r) row_with_epilogue<NT>(r, tile);
      return;
    }
    const std::int64_t rows_here = call.epilogue.window.in.c / block.height;
    scratch.resize(static_cast<std::size_t>(call.epilogue.window.size() * block.height * 16 * NT));
    for (std::int64_t unit = begin; unit < end; ++unit) window_row<NT>(unit / rows_here, unit % rows_here, rows_here, tile, scratch.data());
  }

  /// Units: block rows, with a cell those of one gate, with a window the (position, part) pairs of its result.
  std::int64_t units() const {
    const MaxWindow& w = call.epilogue.window;
    if (cell) return s.grid_rows() / gates(call.cell->which);
    return w ? w.out().positions() * (w.in.c / block.height) : s.grid_rows();
  }

  void run() const {
    const auto body = [this](std::int64_t begin, std::int64_t end, std::int64_t tile, int count) {
      static thread_local std::vector<T> scratch;
      with_tile_count<T>(count, [&](auto tiles) { rows<decltype(tiles)::value>(begin, end, tile, scratch); });
    };
    const std::vector<std::int64_t>* cost = cell || call.epilogue.window ? nullptr : &plan.ptr;
    over_rows_and_tiles<T>(units(), cost, call.x.columns()->tiles(), fetches, body);
  }
};

void BsrSpmmF32(const SpmmCall& call) { Forward<float>(call).run(); }
void BsrSpmmF64(const SpmmCall& call) { Forward<double>(call).run(); }

}  // namespace weft::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft::kernels {

HWY_EXPORT(BsrSpmmF32);
HWY_EXPORT(BsrSpmmF64);
void bsr_tiles_f32(const SpmmCall& call) { HWY_DYNAMIC_DISPATCH(BsrSpmmF32)(call); }
void bsr_tiles_f64(const SpmmCall& call) { HWY_DYNAMIC_DISPATCH(BsrSpmmF64)(call); }

}  // namespace weft::kernels
#endif
