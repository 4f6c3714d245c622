#include <weft/core/lattice.hpp>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft::patterns {

void require_lattice(const char* op, Lattice lattice) {
  if (lattice.h < 1 || lattice.w < 1 || lattice.c < 1)
    throw ShapeError({.op = op, .what = cat("lattice ", lattice.h, "x", lattice.w, "x", lattice.c, " has an empty side")});
}

namespace {

void require_options(const char* op, Lattice in, int c_out, const Window& w, int groups) {
  require_lattice(op, in);
  if (w.kernel < 1 || w.stride < 1 || w.dilation < 1 || w.pad < 0 || c_out < 1)
    throw ShapeError({.op = op,
                      .what = cat("kernel ", w.kernel, ", stride ", w.stride, ", dilation ", w.dilation, ", pad ", w.pad, ", ", c_out,
                                  " output channels"),
                      .hint = "pad is at least 0, all others at least 1"});
  if (groups < 1 || in.c % groups != 0 || c_out % groups != 0)
    throw ShapeError({.op = op, .what = cat("groups ", groups, " must divide ", in.c, " input and ", c_out, " output channels")});
  if (checked_product(w.taps(), groups) > INT32_MAX)
    throw ShapeError({.op = op, .what = cat("kernel ", w.kernel, " in ", groups, " groups has more taps than 32-bit indices hold")});
}

}  // namespace

Lattice conv2d_out(Lattice in, int c_out, Conv2dOptions options) {
  require_options("conv2d", in, c_out, options.window(), options.groups);
  const std::int64_t h = options.window().places(in.h), w = options.window().places(in.w);
  if (h < 1 || w < 1 || h > INT32_MAX || w > INT32_MAX)
    throw ShapeError({.op = "conv2d",
                      .what = cat("kernel ", options.kernel, " with dilation ", options.dilation, " leaves no output of ", in.h, "x", in.w,
                                  " pixels with pad ", options.pad),
                      .hint = "use a smaller kernel or dilation, or more padding"});
  return {static_cast<int>(h), static_cast<int>(w), c_out};
}

Lattice conv_transpose2d_out(Lattice in, int c_out, Conv2dOptions options, int output_pad) {
  require_options("conv_transpose2d", in, c_out, options.window(), options.groups);
  if (output_pad < 0 || output_pad >= options.stride)
    throw ShapeError(
        {.op = "conv_transpose2d", .what = cat("output_pad ", output_pad, " must be in [0, stride) with stride ", options.stride)});
  const auto extent = [&](int size) {
    return (std::int64_t{size} - 1) * options.stride - std::int64_t{2} * options.pad +
           std::int64_t{options.dilation} * (options.kernel - 1) + 1 + output_pad;
  };
  const std::int64_t h = extent(in.h), w = extent(in.w);
  if (h < 1 || w < 1 || h > INT32_MAX || w > INT32_MAX)
    throw ShapeError({.op = "conv_transpose2d",
                      .what = cat("kernel ", options.kernel, " with pad ", options.pad, " makes ", in.h, "x", in.w, " pixels ", h, "x", w),
                      .hint = "use less padding"});
  return {static_cast<int>(h), static_cast<int>(w), c_out};
}

Lattice conv1d_out(int length, int c_in, int c_out, Conv1dOptions options) {
  const Lattice in{length, 1, c_in};
  if (options.causal && options.pad != 0)
    throw ShapeError({.op = "conv1d",
                      .what = cat("pad ", options.pad, " with causal"),
                      .hint = "a causal convolution pads its left side itself: leave pad at 0"});
  if (options.causal && std::int64_t{options.dilation} * (std::int64_t{options.kernel} - 1) > INT32_MAX)
    throw ShapeError(
        {.op = "conv1d", .what = cat("kernel ", options.kernel, " with dilation ", options.dilation, " reaches too far back")});
  require_options("conv1d", in, c_out, options.window(), options.groups);
  const std::int64_t steps = options.causal ? (length - 1) / options.stride + 1 : options.window().places(length);
  if (steps < 1 || steps > INT32_MAX)
    throw ShapeError({.op = "conv1d",
                      .what = cat("kernel ", options.kernel, " with dilation ", options.dilation, " leaves no output of ", length,
                                  " steps with pad ", options.pad),
                      .hint = "use a smaller kernel or dilation, or more padding"});
  return {static_cast<int>(steps), 1, c_out};
}

Lattice pool2d_out(Lattice in, Pool2dOptions options) {
  require_lattice("pool2d", in);
  if (options.kernel < 1 || options.stride < 0 || options.pad < 0 || options.pad > options.kernel / 2)
    throw ShapeError({.op = "pool2d",
                      .what = cat("kernel ", options.kernel, ", stride ", options.stride, ", pad ", options.pad),
                      .hint = "kernel is at least 1, stride at least 1 (0: the kernel), pad at most half the kernel"});
  const std::int64_t h = options.window().places(in.h), w = options.window().places(in.w);
  if (h < 1 || w < 1)
    throw ShapeError({.op = "pool2d",
                      .what = cat("kernel ", options.kernel, " leaves no output of ", in.h, "x", in.w, " pixels with pad ", options.pad),
                      .hint = "use a smaller kernel"});
  return {static_cast<int>(h), static_cast<int>(w), in.c};
}

}  // namespace weft::patterns
