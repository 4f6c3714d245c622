#pragma once

#include <cstdint>

#include <weft/core/shape.hpp>

/// Windows that move over a lattice of pixels: the geometry that convolution and pooling share, with or without a pattern.
namespace weft::patterns {

/// A square window that moves over a padded lattice.
struct Window {
  int kernel, stride, pad, dilation;

  int taps() const { return kernel * kernel; }
  /// Places of the window along `extent` pixels; <= 0 if there is none.
  std::int64_t places(int extent) const {
    const std::int64_t free = extent + std::int64_t{2} * pad - std::int64_t{dilation} * (kernel - 1) - 1;
    return free < 0 ? 0 : free / stride + 1;
  }
};

/// Throws ShapeError for a lattice with an empty side.
void require_lattice(const char* op, Lattice lattice);

struct Conv2dOptions {
  int kernel = 3, stride = 1, pad = 0, dilation = 1, groups = 1;

  Window window() const { return {kernel, stride, pad, dilation}; }
};
/// Output lattice of a convolution. Throws ShapeError if kernel, stride or dilation leave no output, or groups does not divide both.
Lattice conv2d_out(Lattice in, int c_out, Conv2dOptions options = {});
/// Output lattice of a transposed convolution: (in-1)*stride - 2*pad + dilation*(kernel-1) + 1 + output_pad a side.
Lattice conv_transpose2d_out(Lattice in, int c_out, Conv2dOptions options = {}, int output_pad = 0);

struct Pool2dOptions {
  int kernel = 2, stride = 0, pad = 0;  ///< stride 0: the kernel

  Window window() const { return {kernel, stride == 0 ? kernel : stride, pad, 1}; }
};
/// Output lattice of a pooling layer (floor). Throws ShapeError if it is empty or pad > kernel/2.
Lattice pool2d_out(Lattice in, Pool2dOptions options = {});

}  // namespace weft::patterns
