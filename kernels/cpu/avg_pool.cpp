// Mean over windows, pixel by pixel.

#include <weft/kernels/avg_pool.hpp>

#include <algorithm>
#include <cstdint>

#include <weft/core/parallel.hpp>

namespace weft::kernels {

namespace {

template <class T>
void add_scaled(const T* from, T scale, std::int64_t n, T* to) {
  for (std::int64_t i = 0; i < n; ++i) to[i] += scale * from[i];
}

/// Pixels [first, last) of `extent` that the window at `place` covers.
struct Cover {
  int first, last;
  Cover(const PoolGeometry& g, int place, int extent)
      : first(std::max(0, place * g.stride - g.pad)), last(std::min(extent, place * g.stride - g.pad + g.kernel)) {}
};

}  // namespace

void avg_pool(const PoolGeometry& g, const Tensor& x, const Tensor& y) {
  const std::int64_t span = std::int64_t{g.in.c} * x.columns()->lanes;
  by_float(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T share = static_cast<T>(1.0 / (g.kernel * g.kernel));
    parallel_for(x.columns()->tiles() * g.out.h, [&](std::int64_t i) {
      const std::int64_t tile = i / g.out.h;
      const Cover rows(g, static_cast<int>(i % g.out.h), g.in.h);
      const T* from = x.data<T>() + tile * x.tile_stride();
      T* to = y.data<T>() + tile * y.tile_stride() + i % g.out.h * g.out.w * span;
      std::fill_n(to, g.out.w * span, T{});
      for (int ox = 0; ox < g.out.w; ++ox) {
        const Cover cols(g, ox, g.in.w);
        for (int iy = rows.first; iy < rows.last; ++iy)
          for (int ix = cols.first; ix < cols.last; ++ix)
            add_scaled(from + (std::int64_t{iy} * g.in.w + ix) * span, share, span, to + ox * span);
      }
    });
  });
}

void avg_pool_grad(const PoolGeometry& g, const Tensor& dy, const Tensor& dx) {
  const std::int64_t span = std::int64_t{g.in.c} * dy.columns()->lanes;
  by_float(dy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T share = static_cast<T>(1.0 / (g.kernel * g.kernel));
    parallel_for(dy.columns()->tiles() * g.in.h, [&](std::int64_t i) {
      const std::int64_t tile = i / g.in.h;
      const auto iy = static_cast<int>(i % g.in.h);
      T* to = dx.data<T>() + tile * dx.tile_stride() + std::int64_t{iy} * g.in.w * span;
      std::fill_n(to, g.in.w * span, T{});
      for (int oy = 0; oy < g.out.h; ++oy) {
        const Cover rows(g, oy, g.in.h);
        if (iy < rows.first || iy >= rows.last) continue;
        const T* from = dy.data<T>() + tile * dy.tile_stride() + std::int64_t{oy} * g.out.w * span;
        for (int ox = 0; ox < g.out.w; ++ox) {
          const Cover cols(g, ox, g.in.w);
          for (int ix = cols.first; ix < cols.last; ++ix) add_scaled(from + ox * span, share, span, to + ix * span);
        }
      }
    });
  });
}

}  // namespace weft::kernels
