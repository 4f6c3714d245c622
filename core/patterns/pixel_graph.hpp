#pragma once

#include <weft/core/lattice.hpp>
#include <weft/core/sparse_pattern.hpp>

namespace weft::patterns {

/// The graph from output pixels to the pixels under their window: block rows `output pixel * groups + group`, block columns
/// `pixel * groups + group`, slot `tap * groups + group`, taps row-major, so that the taps of one kernel row are neighbours
/// both as columns and as slots. Keys are indices of the padded lattice: a row has its top-left tap, a column its pixel.
/// The block and the name are the caller's.
PatternSpec pixel_graph(Lattice in, Lattice out, Window window, int groups);

}  // namespace weft::patterns
