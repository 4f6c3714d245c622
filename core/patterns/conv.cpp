#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/patterns/pixel_graph.hpp>
#include <weft/core/text.hpp>

namespace weft::patterns {

namespace {

Window window_of(const Conv2dOptions& o) { return {o.kernel, o.stride, o.pad, o.dilation}; }

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

std::string describe(const char* op, Lattice in, Lattice out, const Conv2dOptions& o) {
  std::string text = cat(op, " ", in.shape().str(), " -> ", out.shape().str(), ", k=", o.kernel);
  if (o.stride != 1) text += cat(", stride=", o.stride);
  if (o.pad != 0) text += cat(", pad=", o.pad);
  if (o.dilation != 1) text += cat(", dilation=", o.dilation);
  if (o.groups != 1) text += cat(", groups=", o.groups);
  return text;
}

}  // namespace

Lattice conv2d_out(Lattice in, int c_out, Conv2dOptions options) {
  require_options("conv2d", in, c_out, options);
  const std::int64_t h = window_of(options).places(in.h), w = window_of(options).places(in.w);
  if (h < 1 || w < 1 || h > INT32_MAX || w > INT32_MAX)
    throw ShapeError({.op = "conv2d",
                      .what = cat("kernel ", options.kernel, " with dilation ", options.dilation, " leaves no output of ", in.h, "x", in.w,
                                  " pixels with pad ", options.pad),
                      .hint = "use a smaller kernel or dilation, or more padding"});
  return {static_cast<int>(h), static_cast<int>(w), c_out};
}

PatternPtr conv2d(Lattice in, int c_out, Conv2dOptions options) {
  const Lattice out = conv2d_out(in, c_out, options);
  const bool depthwise = options.groups > 1 && options.groups == in.c && options.groups == c_out;
  PatternSpec spec = pixel_graph(in, out, window_of(options), depthwise ? 1 : options.groups);
  if (depthwise) spec.block = {BlockKind::diagonal, c_out, c_out};
  else spec.block = {BlockKind::dense, c_out / options.groups, in.c / options.groups};
  spec.name = describe("conv2d", in, out, options);
  return make_pattern(std::move(spec));
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

PatternPtr conv_transpose2d(Lattice in, int c_out, Conv2dOptions options, int output_pad) {
  const Lattice out = conv_transpose2d_out(in, c_out, options, output_pad);
  PatternSpec spec = transpose(conv2d(out, in.c, options))->spec();
  spec.name = describe("conv_transpose2d", in, out, options);
  if (output_pad != 0) spec.name += cat(", output_pad=", output_pad);
  return make_pattern(std::move(spec));
}

}  // namespace weft::patterns
