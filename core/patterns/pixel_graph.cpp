#include <weft/core/patterns/pixel_graph.hpp>

#include <algorithm>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft::patterns {

namespace {

/// Appends the taps that one output pixel has inside the lattice.
void add_taps(PatternSpec& spec, Lattice in, Window window, std::int64_t top, std::int64_t left, int groups, int group) {
  for (int a = 0; a < window.kernel; ++a) {
    const std::int64_t y = top + std::int64_t{a} * window.dilation;
    if (y < 0 || y >= in.h) continue;
    for (int b = 0; b < window.width(); ++b) {
      const std::int64_t x = left + std::int64_t{b} * window.dilation;
      if (x < 0 || x >= in.w) continue;
      spec.col.push_back(static_cast<std::int32_t>((y * in.w + x) * groups + group));
      spec.tie.push_back((a * window.width() + b) * groups + group);
    }
  }
}

}  // namespace

PatternSpec pixel_graph(Lattice in, Lattice out, Window window, int groups) {
  if (checked_product(std::max(in.positions(), out.positions()), groups) >= INT32_MAX)
    throw ShapeError({.op = "pixel graph",
                      .what = cat(in.shape().str(), " -> ", out.shape().str(), " in ", groups, " groups exceeds 32-bit indices"),
                      .hint = "use fewer pixels"});
  const std::int64_t padded_width = in.w + std::int64_t{2} * window.side_pad();
  PatternSpec spec{.rows = out.size(), .cols = in.size(), .row_ptr = {0}};
  spec.slots = static_cast<std::int32_t>(window.taps() * groups);
  for (int y = 0; y < out.h; ++y)
    for (int x = 0; x < out.w; ++x) {
      const std::int64_t top = std::int64_t{y} * window.stride, left = std::int64_t{x} * window.stride;
      for (int group = 0; group < groups; ++group) {
        add_taps(spec, in, window, top - window.pad, left - window.side_pad(), groups, group);
        spec.row_ptr.push_back(static_cast<std::int64_t>(spec.col.size()));
        spec.row_key.push_back(top * padded_width + left);
      }
    }
  for (int y = 0; y < in.h; ++y)
    for (int x = 0; x < in.w; ++x)
      spec.col_key.insert(spec.col_key.end(), static_cast<std::size_t>(groups), (y + window.pad) * padded_width + x + window.side_pad());
  return spec;
}

}  // namespace weft::patterns
