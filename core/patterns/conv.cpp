#include <weft/core/patterns.hpp>
#include <weft/core/patterns/pixel_graph.hpp>
#include <weft/core/text.hpp>

namespace weft::patterns {

namespace {

std::string describe(const char* op, Lattice in, Lattice out, const Window& w, int groups) {
  std::string text = cat(op, " ", in.shape().str(), " -> ", out.shape().str(), ", k=", w.kernel);
  if (w.stride != 1) text += cat(", stride=", w.stride);
  if (w.pad != 0) text += cat(", pad=", w.pad);
  if (w.dilation != 1) text += cat(", dilation=", w.dilation);
  if (groups != 1) text += cat(", groups=", groups);
  return text;
}

PatternSpec convolution(const char* op, Lattice in, Lattice out, const Window& window, int groups) {
  const bool depthwise = groups > 1 && groups == in.c && groups == out.c;
  PatternSpec spec = pixel_graph(in, out, window, depthwise ? 1 : groups);
  if (depthwise) spec.block = {BlockKind::diagonal, out.c, out.c};
  else spec.block = {BlockKind::dense, out.c / groups, in.c / groups};
  spec.name = describe(op, in, out, window, groups);
  return spec;
}

}  // namespace

PatternPtr conv2d(Lattice in, int c_out, Conv2dOptions options) {
  return make_pattern(convolution("conv2d", in, conv2d_out(in, c_out, options), options.window(), options.groups));
}

PatternPtr conv1d(int length, int c_in, int c_out, Conv1dOptions options) {
  const Lattice in{length, 1, c_in}, out = conv1d_out(length, c_in, c_out, options);
  PatternSpec spec = convolution(options.causal ? "causal conv1d" : "conv1d", in, out, options.window(), options.groups);
  if (options.causal)
    for (std::int64_t& key : spec.row_key) key += options.window().pad;  // from the first tap to the last
  return make_pattern(std::move(spec));
}

PatternPtr conv_transpose2d(Lattice in, int c_out, Conv2dOptions options, int output_pad) {
  const Lattice out = conv_transpose2d_out(in, c_out, options, output_pad);
  PatternSpec spec = transpose(conv2d(out, in.c, options))->spec();
  spec.name = describe("conv_transpose2d", in, out, options.window(), options.groups);
  if (output_pad != 0) spec.name += cat(", output_pad=", output_pad);
  return make_pattern(std::move(spec));
}

}  // namespace weft::patterns
