#pragma once

#include <weft/core/shape.hpp>
#include <weft/core/tensor.hpp>
#include <weft/kernels/maps.hpp>

namespace weft::kernels {

/// Non-overlapping kernel x kernel windows of an image-like value; rows and columns that fill no window are left out.
struct MaxWindow {
  Lattice in;
  int kernel = 0;  ///< 0: no window
  explicit operator bool() const { return kernel > 0; }
  Lattice out() const { return {in.h / kernel, in.w / kernel, in.c}; }
  int size() const { return kernel * kernel; }
};

/// What follows a product in the same pass: `y = max over window of map(product + residual)`, and what backward will read.
struct Epilogue {
  Tensor residual;  ///< rows of the product; undefined: none
  MapCall map;      ///< with a window: identity or relu only
  MaxWindow window;
  Tensor saved;   ///< what saves(map) names (bits or the map's input; the output is y itself); unused with a window
  Tensor choice;  ///< u8, choice_bytes long: for each result row of a tile, one 16-bit mask a window place: lanes that took it (and passed
                  ///< the relu)

  bool empty() const { return !residual.defined() && map.map == Map::identity && !window; }
};

/// Bytes of Epilogue::choice for a result of these columns: 4 bits a result element for 2x2 windows.
std::int64_t choice_bytes(const MaxWindow& window, const Columns& columns);

/// y = max over window of map(z + residual) for a z that is already in memory: the unfused epilogue. z may be y without a window.
void apply_epilogue(const Epilogue& e, const Tensor& z, const Tensor& y);

/// dz (the gradient of map's input) from dy (that of y): un-pools and multiplies by the map's derivative; `y` is read by maps that save
/// their output.
void expand_gradient(const Epilogue& e, const Tensor& y, const Tensor& dy, const Tensor& dz);

}  // namespace weft::kernels
