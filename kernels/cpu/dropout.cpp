// y = x·keep/(1-p), keep drawn by Philox: key (seed, path), counter (four rows, global column, step), a word for each of the rows.
#include <weft/kernels/dropout.hpp>

#include <weft/core/error.hpp>
#include <weft/core/random.hpp>
#include <weft/kernels/cpu/spans.hpp>

namespace weft::kernels {

namespace {

constexpr std::int64_t kRows = 4;  // a Philox block has four words

std::array<std::uint32_t, 2> halves(std::uint64_t word) {
  return {static_cast<std::uint32_t>(word), static_cast<std::uint32_t>(word >> 32)};
}

/// Words for rows [4·group, 4·group + 4) of a global column.
std::array<std::uint32_t, 4> draw(std::array<std::uint32_t, 2> key, std::uint64_t step, std::int64_t group, std::int64_t column) {
  const std::array<std::uint32_t, 2> place = halves(static_cast<std::uint64_t>(column));
  return philox4x32({static_cast<std::uint32_t>(group), place[0], place[1], static_cast<std::uint32_t>(step)}, key);
}

}  // namespace

void dropout(const Tensor& x, double p, const DropoutKey& key, const Tensor& keep, const Tensor& y) {
  const Columns columns = x.is_tiled() ? *x.columns() : Columns{1, 1, 0};
  const std::int64_t rows = x.row_count(), groups = (rows + kRows - 1) / kRows;
  WEFT_CHECK(groups <= std::int64_t{UINT32_MAX});
  const auto threshold = static_cast<std::uint64_t>(p * 0x1p32);
  // The step's upper half joins the key, so that no two steps share draws.
  const std::array<std::uint32_t, 2> words = halves(key.seed ^ hash_name(key.path) ^ (key.step >> 32) * 0x9E3779B97F4A7C15ULL);
  by_float(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T scale = static_cast<T>(1 / (1 - p));
    parallel_for(columns.tiles() * groups, [&](std::int64_t i) {
      const std::int64_t tile = i / groups, group = i % groups;
      const std::int64_t last = std::min(kRows, rows - group * kRows);
      for (int lane = 0; lane < columns.lanes; ++lane) {
        const auto random = draw(words, key.step, group, columns.first_global + tile * columns.lanes + lane);
        for (std::int64_t r = 0; r < last; ++r) {
          const std::int64_t place = (group * kRows + r) * columns.lanes + lane;
          const bool kept = random[static_cast<std::size_t>(r)] >= threshold;
          keep.data<std::uint8_t>()[tile * keep.tile_stride() + place] = kept;
          y.data<T>()[tile * y.tile_stride() + place] = kept ? x.data<T>()[tile * x.tile_stride() + place] * scale : T{0};
        }
      }
    });
  });
}

void dropout_grad(const Tensor& keep, double p, const Tensor& dy, const Tensor& dx) {
  by_float(dy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T scale = static_cast<T>(1 / (1 - p));
    for_spans({&keep, &dy, &dx}, [&](std::int64_t tile, std::int64_t first, std::int64_t n) {
      const std::uint8_t* kept = at<std::uint8_t>(keep, tile, first);
      const T* slope = at<T>(dy, tile, first);
      T* out = at<T>(dx, tile, first);
      for (std::int64_t i = 0; i < n; ++i) out[i] = kept[i] != 0 ? slope[i] * scale : T{0};
    });
  });
}

}  // namespace weft::kernels
