#include <weft/core/patterns.hpp>
#include <weft/core/patterns/pixel_graph.hpp>
#include <weft/core/text.hpp>

namespace weft::patterns {

PatternPtr avg_pool2d(Lattice in, Pool2dOptions options) {
  const Lattice out = pool2d_out(in, options);
  PatternSpec spec = pixel_graph(in, out, options.window(), 1);
  spec.block = {BlockKind::identity, in.c, in.c};
  spec.tie.assign(spec.col.size(), 0);
  spec.slots = 1;
  spec.name = cat("avg_pool2d ", in.shape().str(), " -> ", out.shape().str(), ", k=", options.kernel);
  return make_pattern(std::move(spec));
}

}  // namespace weft::patterns
