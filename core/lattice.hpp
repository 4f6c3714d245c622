#pragma once

#include <cstdint>

#include <weft/core/shape.hpp>

/// Windows that move over a lattice of pixels: the geometry that convolution and pooling share, with or without a pattern.
namespace weft::patterns {

/// What a window covers: a square of pixels, or a run along h of a lattice one pixel wide (a series).
enum class WindowKind : std::uint8_t { square, run };

/// A window that moves over a padded lattice.
struct Window {
  int kernel, stride, pad, dilation;
  WindowKind kind = WindowKind::square;

  /// Taps and padding along w; along h they are kernel and pad.
  int width() const { return kind == WindowKind::square ? kernel : 1; }
  int side_pad() const { return kind == WindowKind::square ? pad : 0; }
  std::int64_t taps() const { return std::int64_t{kernel} * width(); }
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

struct Conv1dOptions {
  int kernel = 3, stride = 1, pad = 0, dilation = 1, groups = 1;
  bool causal = false;  ///< pads dilation·(kernel-1) steps on the left alone, so that no output sees a later step; needs pad 0

  Window window() const { return {kernel, stride, causal ? dilation * (kernel - 1) : pad, dilation, WindowKind::run}; }
};
/// Output of a convolution over a series of `length` steps, as a lattice {steps, 1, c_out}. Throws ShapeError as conv2d_out, and for a
/// causal one with pad.
Lattice conv1d_out(int length, int c_in, int c_out, Conv1dOptions options = {});

struct Pool2dOptions {
  int kernel = 2, stride = 0, pad = 0;  ///< stride 0: the kernel

  Window window() const { return {kernel, stride == 0 ? kernel : stride, pad, 1}; }
};
/// Output lattice of a pooling layer (floor). Throws ShapeError if it is empty or pad > kernel/2.
Lattice pool2d_out(Lattice in, Pool2dOptions options = {});

}  // namespace weft::patterns
