// Maximum over windows that may overlap or reach into padding. Non-overlapping windows run as an epilogue instead (epilogue.hpp).

#include <weft/kernels/max_pool.hpp>

#include <algorithm>
#include <cstdint>

#include <weft/core/parallel.hpp>

namespace weft::kernels {

namespace {

/// Calls f(place, pixel) for the pixels of window (oy, ox) that lie inside the lattice.
template <class F>
void for_each_pixel(const PoolGeometry& g, int oy, int ox, F&& f) {
  for (int ky = 0; ky < g.kernel; ++ky)
    for (int kx = 0; kx < g.kernel; ++kx) {
      const int y = oy * g.stride + ky - g.pad, x = ox * g.stride + kx - g.pad;
      if (y >= 0 && y < g.in.h && x >= 0 && x < g.in.w) f(ky * g.kernel + kx, std::int64_t{y} * g.in.w + x);
    }
}

template <class T>
void pool_window(const PoolGeometry& g, int oy, int ox, std::int64_t span, const T* x, T* y, std::uint8_t* place) {
  bool first = true;
  for_each_pixel(g, oy, ox, [&](int at, std::int64_t pixel) {
    const T* from = x + pixel * span;
    for (std::int64_t i = 0; i < span; ++i)
      if (first || !(from[i] <= y[i])) {
        y[i] = from[i];
        place[i] = static_cast<std::uint8_t>(at);
      }
    first = false;
  });
}

}  // namespace

void max_pool(const PoolGeometry& g, const Tensor& x, const Tensor& y, const Tensor& place) {
  const std::int64_t span = std::int64_t{g.in.c} * x.columns()->lanes;
  by_float(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    parallel_for(x.columns()->tiles() * g.out.h, [&](std::int64_t i) {
      const std::int64_t tile = i / g.out.h;
      const int oy = static_cast<int>(i % g.out.h);
      for (int ox = 0; ox < g.out.w; ++ox) {
        const std::int64_t at = (std::int64_t{oy} * g.out.w + ox) * span;
        pool_window(g, oy, ox, span, x.data<T>() + tile * x.tile_stride(), y.data<T>() + tile * y.tile_stride() + at,
                    place.data<std::uint8_t>() + tile * place.tile_stride() + at);
      }
    });
  });
}

void max_pool_grad(const PoolGeometry& g, const Tensor& place, const Tensor& dy, const Tensor& dx) {
  const std::int64_t span = std::int64_t{g.in.c} * dy.columns()->lanes;
  by_float(dy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    parallel_for(dy.columns()->tiles(), [&](std::int64_t tile) {
      T* to = dx.data<T>() + tile * dx.tile_stride();
      std::fill_n(to, dx.row_count() * dx.columns()->lanes, T{});
      for (int oy = 0; oy < g.out.h; ++oy)
        for (int ox = 0; ox < g.out.w; ++ox) {
          const std::int64_t at = (std::int64_t{oy} * g.out.w + ox) * span;
          const T* from = dy.data<T>() + tile * dy.tile_stride() + at;
          const std::uint8_t* won = place.data<std::uint8_t>() + tile * place.tile_stride() + at;
          for_each_pixel(g, oy, ox, [&](int here, std::int64_t pixel) {
            for (std::int64_t i = 0; i < span; ++i)
              if (won[i] == here) to[pixel * span + i] += from[i];
          });
        }
    });
  });
}

}  // namespace weft::kernels
