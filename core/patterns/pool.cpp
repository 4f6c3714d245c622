#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/patterns/pixel_graph.hpp>
#include <weft/core/text.hpp>

namespace weft::patterns {

namespace {

Window window_of(const Pool2dOptions& o) { return {o.kernel, o.stride == 0 ? o.kernel : o.stride, o.pad, 1}; }

}  // namespace

Lattice pool2d_out(Lattice in, Pool2dOptions options) {
  require_lattice("pool2d", in);
  if (options.kernel < 1 || options.stride < 0 || options.pad < 0 || options.pad > options.kernel / 2)
    throw ShapeError({.op = "pool2d",
                      .what = cat("kernel ", options.kernel, ", stride ", options.stride, ", pad ", options.pad),
                      .hint = "kernel is at least 1, stride at least 1 (0: the kernel), pad at most half the kernel"});
  const std::int64_t h = window_of(options).places(in.h), w = window_of(options).places(in.w);
  if (h < 1 || w < 1)
    throw ShapeError({.op = "pool2d",
                      .what = cat("kernel ", options.kernel, " leaves no output of ", in.h, "x", in.w, " pixels with pad ", options.pad),
                      .hint = "use a smaller kernel"});
  return {static_cast<int>(h), static_cast<int>(w), in.c};
}

PatternPtr avg_pool2d(Lattice in, Pool2dOptions options) {
  const Lattice out = pool2d_out(in, options);
  PatternSpec spec = pixel_graph(in, out, window_of(options), 1);
  spec.block = {BlockKind::identity, in.c, in.c};
  spec.tie.assign(spec.col.size(), 0);
  spec.slots = 1;
  spec.name = cat("avg_pool2d ", in.shape().str(), " -> ", out.shape().str(), ", k=", options.kernel);
  return make_pattern(std::move(spec));
}

}  // namespace weft::patterns
