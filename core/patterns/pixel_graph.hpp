#pragma once

#include <cstdint>

#include <weft/core/shape.hpp>
#include <weft/core/sparse_pattern.hpp>

namespace weft::patterns {

/// A square window that moves over a padded lattice.
struct Window {
  int kernel, stride, pad, dilation;

  /// Places of the window along `extent` pixels; <= 0 if there is none.
  std::int64_t places(int extent) const {
    const std::int64_t free = extent + std::int64_t{2} * pad - std::int64_t{dilation} * (kernel - 1) - 1;
    return free < 0 ? 0 : free / stride + 1;
  }
};

/// Throws ShapeError for a lattice with an empty side.
void require_lattice(const char* op, Lattice lattice);

/// The graph from output pixels to the pixels under their window: block rows `output pixel * groups + group`, block columns
/// `pixel * groups + group`, slot `tap * groups + group`, taps row-major, so that the taps of one kernel row are neighbours
/// both as columns and as slots. Keys are indices of the padded lattice: a row has its top-left tap, a column its pixel.
/// The block and the name are the caller's.
PatternSpec pixel_graph(Lattice in, Lattice out, Window window, int groups);

}  // namespace weft::patterns
