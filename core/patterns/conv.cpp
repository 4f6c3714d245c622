#include <weft/core/patterns.hpp>
#include <weft/core/patterns/pixel_graph.hpp>
#include <weft/core/text.hpp>

namespace weft::patterns {

namespace {

std::string describe(const char* op, Lattice in, Lattice out, const Conv2dOptions& o) {
  std::string text = cat(op, " ", in.shape().str(), " -> ", out.shape().str(), ", k=", o.kernel);
  if (o.stride != 1) text += cat(", stride=", o.stride);
  if (o.pad != 0) text += cat(", pad=", o.pad);
  if (o.dilation != 1) text += cat(", dilation=", o.dilation);
  if (o.groups != 1) text += cat(", groups=", o.groups);
  return text;
}

}  // namespace

PatternPtr conv2d(Lattice in, int c_out, Conv2dOptions options) {
  const Lattice out = conv2d_out(in, c_out, options);
  const bool depthwise = options.groups > 1 && options.groups == in.c && options.groups == c_out;
  PatternSpec spec = pixel_graph(in, out, options.window(), depthwise ? 1 : options.groups);
  if (depthwise) spec.block = {BlockKind::diagonal, c_out, c_out};
  else spec.block = {BlockKind::dense, c_out / options.groups, in.c / options.groups};
  spec.name = describe("conv2d", in, out, options);
  return make_pattern(std::move(spec));
}

PatternPtr conv_transpose2d(Lattice in, int c_out, Conv2dOptions options, int output_pad) {
  const Lattice out = conv_transpose2d_out(in, c_out, options, output_pad);
  PatternSpec spec = transpose(conv2d(out, in.c, options))->spec();
  spec.name = describe("conv_transpose2d", in, out, options);
  if (output_pad != 0) spec.name += cat(", output_pad=", output_pad);
  return make_pattern(std::move(spec));
}

}  // namespace weft::patterns
