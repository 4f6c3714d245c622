// The epilogue and its gradient over whole tensors: for rows that do not fuse, and for backward.

#include <algorithm>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <weft/kernels/cpu/epilogue.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <weft/core/parallel.hpp>
#include <weft/kernels/cpu/epilogue_rows-inl.hpp>
#include <weft/kernels/epilogue.hpp>

HWY_BEFORE_NAMESPACE();
namespace weft::kernels::HWY_NAMESPACE {

/// out[lane] = dy[lane] where the mask has the lane's bit, else 0.
template <class T>
HWY_INLINE void ScatterRow(const T* dy, std::uint16_t mask, T* out) {
  const hn::CappedTag<T, 16> d;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(decltype(d)()));
  for (int first = 0; first < 16; first += kLanes)
    hn::StoreU(hn::IfThenElseZero(BitsToMask(d, mask, first), hn::LoadU(d, dy + first)), d, out + first);
}

/// Un-pools one row of results: each place of each window takes the gradient of the lanes that chose it; uncovered pixels get zero.
template <class T>
void UnpoolRow(const Epilogue& e, const Tensor& dy, const Tensor& dz, std::int64_t tile, std::int64_t oy) {
  const MaxWindow& w = e.window;
  const Lattice out = w.out();
  const std::int64_t c = w.in.c;
  const auto* choice = reinterpret_cast<const std::uint16_t*>(e.choice.bytes());
  const T* from = dy.data<T>() + tile * dy.tile_stride();
  T* to = dz.data<T>() + tile * dz.tile_stride();
  const std::int64_t covered = std::int64_t{out.w} * w.kernel;
  for (int ky = 0; ky < w.kernel; ++ky) {
    const std::int64_t y = oy * w.kernel + ky;
    for (std::int64_t ox = 0; ox < out.w; ++ox)
      for (int kx = 0; kx < w.kernel; ++kx) {
        const std::int64_t pixel = (y * w.in.w + ox * w.kernel + kx) * c, position = (oy * out.w + ox) * c;
        const std::uint16_t* chosen = choice + (tile * out.size() + position) * w.size() + ky * w.kernel + kx;
        for (std::int64_t m = 0; m < c; ++m) ScatterRow(from + (position + m) * 16, chosen[m * w.size()], to + (pixel + m) * 16);
      }
    std::fill(to + (y * w.in.w + covered) * c * 16, to + (y + 1) * w.in.w * c * 16, T{});
  }
}

template <class T>
void Unpool(const Epilogue& e, const Tensor& dy, const Tensor& dz) {
  const Lattice out = e.window.out();
  const std::int64_t tiles = dz.columns()->tiles(), rows = out.h + 1;  // one more: the pixel rows below the last window
  parallel_for(tiles * rows, [&](std::int64_t i) {
    const std::int64_t tile = i / rows, oy = i % rows;
    if (oy < out.h) return UnpoolRow<T>(e, dy, dz, tile, oy);
    T* to = dz.data<T>() + tile * dz.tile_stride();
    std::fill(to + std::int64_t{out.h} * e.window.kernel * e.window.in.w * e.window.in.c * 16, to + e.window.in.size() * 16, T{});
  });
}

template <class T>
void PoolForward(const Epilogue& e, const Tensor& z, const Tensor& y) {
  const MaxWindow& w = e.window;
  const Lattice out = w.out();
  const std::int64_t c = w.in.c, one = w.kernel == 0 ? 0 : c * 16;
  parallel_for(y.columns()->tiles() * out.h, [&](std::int64_t i) {
    const std::int64_t tile = i / out.h, oy = i % out.h;
    T rows[kMostPlaces * 16];
    for (std::int64_t ox = 0; ox < out.w; ++ox)
      for (std::int64_t m = 0; m < c; ++m) {
        for (int place = 0; place < w.size(); ++place) {
          const std::int64_t pixel = (oy * w.kernel + place / w.kernel) * w.in.w + ox * w.kernel + place % w.kernel;
          std::copy_n(z.data<T>() + tile * z.tile_stride() + pixel * one + m * 16, 16, rows + place * 16);
        }
        const std::int64_t row = (oy * out.w + ox) * c + m;
        auto* chosen = reinterpret_cast<std::uint16_t*>(e.choice.bytes()) + (tile * out.size() + row) * w.size();
        MaxRows(e, rows, 16, 1, y.data<T>() + tile * y.tile_stride() + row * 16, chosen);
      }
  });
}

template <class T>
void AddResidual(const Tensor& residual, const Tensor& y) {
  const std::int64_t run = y.row_count() * y.columns()->lanes;
  parallel_for(y.columns()->tiles(), [&](std::int64_t tile) {
    AddSpan(residual.data<T>() + tile * residual.tile_stride(), y.data<T>() + tile * y.tile_stride(), run);
  });
}

void UnpoolF32(const Epilogue& e, const Tensor& dy, const Tensor& dz) { Unpool<float>(e, dy, dz); }
void UnpoolF64(const Epilogue& e, const Tensor& dy, const Tensor& dz) { Unpool<double>(e, dy, dz); }
void PoolF32(const Epilogue& e, const Tensor& z, const Tensor& y) { PoolForward<float>(e, z, y); }
void PoolF64(const Epilogue& e, const Tensor& z, const Tensor& y) { PoolForward<double>(e, z, y); }
void ResidualF32(const Tensor& residual, const Tensor& y) { AddResidual<float>(residual, y); }
void ResidualF64(const Tensor& residual, const Tensor& y) { AddResidual<double>(residual, y); }

}  // namespace weft::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace weft::kernels {

HWY_EXPORT(UnpoolF32);
HWY_EXPORT(UnpoolF64);
HWY_EXPORT(PoolF32);
HWY_EXPORT(PoolF64);
HWY_EXPORT(ResidualF32);
HWY_EXPORT(ResidualF64);

std::int64_t choice_bytes(const MaxWindow& window, const Columns& columns) {
  return window.out().size() * columns.tiles() * window.size() * static_cast<std::int64_t>(sizeof(std::uint16_t));
}

void apply_epilogue(const Epilogue& e, const Tensor& z, const Tensor& y) {
  const bool f32 = z.dtype() == Dtype::f32;
  if (e.residual.defined()) f32 ? HWY_DYNAMIC_DISPATCH(ResidualF32)(e.residual, z) : HWY_DYNAMIC_DISPATCH(ResidualF64)(e.residual, z);
  if (e.window) {
    f32 ? HWY_DYNAMIC_DISPATCH(PoolF32)(e, z, y) : HWY_DYNAMIC_DISPATCH(PoolF64)(e, z, y);
    return;
  }
  if (e.map.map == Map::identity) return;
  if (saves(e.map.map) == Saves::input)
    std::copy_n(z.bytes(), z.element_count() * static_cast<std::int64_t>(size_of(z.dtype())), e.saved.bytes());
  map(e.map, z, y, saves(e.map.map) == Saves::bits ? e.saved : Tensor());
}

void expand_gradient(const Epilogue& e, const Tensor& y, const Tensor& dy, const Tensor& dz) {
  if (e.window) {
    dy.dtype() == Dtype::f32 ? HWY_DYNAMIC_DISPATCH(UnpoolF32)(e, dy, dz) : HWY_DYNAMIC_DISPATCH(UnpoolF64)(e, dy, dz);
    return;
  }
  const Saves kind = saves(e.map.map);
  map_grad(e.map, kind == Saves::output ? y : e.saved, dy, dz);
}

}  // namespace weft::kernels
#endif
