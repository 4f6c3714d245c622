// Copies between an image [tile][pixel][channel][lane] and its column matrix [place][group][tap][channel][lane]. A tap of a group is one
// run of memory on both sides. col2im adds in a fixed order for each pixel (line of places, place, tap), whatever thread does it.

#include <weft/kernels/im2col.hpp>

#include <algorithm>

#include <weft/core/parallel.hpp>

namespace weft::kernels {

namespace {

template <class T>
struct Geometry {
  const WindowGrid& grid;
  std::int64_t lanes, run, taps;  ///< run: elements of one tap of one group
  std::int64_t pixel, column;     ///< elements of a pixel and of a column tile

  Geometry(const WindowGrid& g, const Tensor& image)
      : grid(g),
        lanes(image.columns()->lanes),
        run(g.image.c / g.groups * lanes),
        taps(g.window.taps()),
        pixel(g.image.c * lanes),
        column(g.column_rows() * lanes) {}

  /// The column of one place (y, x).
  void gather(const T* image, int y, int x, T* to) const {
    const patterns::Window& w = grid.window;
    for (int tap = 0; tap < taps; ++tap) {
      const std::int64_t iy = std::int64_t{y} * w.stride - w.pad + std::int64_t{tap / w.width()} * w.dilation;
      const std::int64_t ix = std::int64_t{x} * w.stride - w.side_pad() + std::int64_t{tap % w.width()} * w.dilation;
      const bool inside = iy >= 0 && iy < grid.image.h && ix >= 0 && ix < grid.image.w;
      for (int g = 0; g < grid.groups; ++g) {
        T* out = to + (g * taps + tap) * run;
        if (inside) std::copy_n(image + (iy * grid.image.w + ix) * pixel + g * run, run, out);
        else std::fill_n(out, run, T{});
      }
    }
  }

  /// Adds what the places of one line hold under kernel row `a` to a row of pixels.
  void scatter(const T* line, int a, T* pixels) const {
    const patterns::Window& w = grid.window;
    for (int x = 0; x < grid.w; ++x)
      for (int b = 0; b < w.width(); ++b) {
        const std::int64_t ix = std::int64_t{x} * w.stride - w.side_pad() + std::int64_t{b} * w.dilation;
        if (ix < 0 || ix >= grid.image.w) continue;
        for (int g = 0; g < grid.groups; ++g) {
          const T* from = line + x * column + (g * taps + a * w.width() + b) * run;
          T* to = pixels + ix * pixel + g * run;
          for (std::int64_t i = 0; i < run; ++i) to[i] += from[i];
        }
      }
  }
};

}  // namespace

void im2col(const WindowGrid& grid, const Tensor& image, std::int64_t begin, std::int64_t end, const Tensor& columns) {
  by_float(image.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Geometry<T> geometry(grid, image);
    parallel_for((end - begin) * grid.w, [&](std::int64_t place) {
      const std::int64_t line = begin + place / grid.w;
      geometry.gather(image.data<T>() + line / grid.h * image.tile_stride(), static_cast<int>(line % grid.h),
                      static_cast<int>(place % grid.w), columns.data<T>() + place * geometry.column);
    });
  });
}

void col2im(const WindowGrid& grid, const Tensor& columns, std::int64_t begin, std::int64_t end, const Tensor& image) {
  if (begin == end) return;
  const std::int64_t first_tile = begin / grid.h, tiles = (end - 1) / grid.h + 1 - first_tile;
  by_float(image.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Geometry<T> geometry(grid, image);
    const patterns::Window& w = grid.window;
    parallel_for(tiles * grid.image.h, [&](std::int64_t item) {
      const std::int64_t tile = first_tile + item / grid.image.h, iy = item % grid.image.h;
      T* pixels = image.data<T>() + tile * image.tile_stride() + iy * grid.image.w * geometry.pixel;
      for (int a = 0; a < w.kernel; ++a) {
        const std::int64_t top = iy + w.pad - std::int64_t{a} * w.dilation;
        if (top < 0 || top % w.stride != 0 || top / w.stride >= grid.h) continue;
        const std::int64_t line = tile * grid.h + top / w.stride;
        if (line >= begin && line < end) geometry.scatter(columns.data<T>() + (line - begin) * grid.w * geometry.column, a, pixels);
      }
    });
  });
}

}  // namespace weft::kernels
