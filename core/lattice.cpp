#include <weft/core/lattice.hpp>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft::patterns {

void require_lattice(const char* op, Lattice lattice) {
  if (lattice.h < 1 || lattice.w < 1 || lattice.c < 1)
    throw ShapeError({.op = op, .what = cat("lattice ", lattice.h, "x", lattice.w, "x", lattice.c, " has an empty side")});
}

namespace {

void require_options(const char* op, Lattice in, int c_out, const Conv2dOptions& o) {
  require_lattice(op, in);
  if (o.kernel < 1 || o.stride < 1 || o.dilation < 1 || o.pad < 0 || c_out < 1)
    throw ShapeError({.op = op,
                      .what = cat("kernel ", o.kernel, ", stride ", o.stride, ", dilation ", o.dilation, ", pad ", o.pad, ", ", c_out,
                                  " output channels"),
                      .hint = "pad is at least 0, all others at least 1"});
  if (o.groups < 1 || in.c % o.groups != 0 || c_out % o.groups != 0)
    throw ShapeError({.op = op, .what = cat("groups ", o.groups, " must divide ", in.c, " input and ", c_out, " output channels")});
  if (checked_product(std::int64_t{o.kernel} * o.kernel, o.groups) > INT32_MAX)
    throw ShapeError({.op = op, .what = cat("kernel ", o.kernel, " in ", o.groups, " groups has more taps than 32-bit indices hold")});
}

}  // namespace

Lattice conv2d_out(Lattice in, int c_out, Conv2dOptions options) {
  require_options("conv2d", in, c_out, options);
  const std::int64_t h = options.window().places(in.h), w = options.window().places(in.w);
  if (h < 1 || w < 1 || h > INT32_MAX || w > INT32_MAX)
    throw ShapeError({.op = "conv2d",
                      .what = cat("kernel ", options.kernel, " with dilation ", options.dilation, " leaves no output of ", in.h, "x", in.w,
                                  " pixels with pad ", options.pad),
                      .hint = "use a smaller kernel or dilation, or more padding"});
  return {static_cast<int>(h), static_cast<int>(w), c_out};
}

Lattice conv_transpose2d_out(Lattice in, int c_out, Conv2dOptions options, int output_pad) {
  require_options("conv_transpose2d", in, c_out, options);
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
