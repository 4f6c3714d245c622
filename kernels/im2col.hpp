#pragma once

#include <cstdint>

#include <weft/core/lattice.hpp>
#include <weft/core/tensor.hpp>

namespace weft::kernels {

/// A window at h x w places of an image, and the column matrix that it makes: one tile for each place and tile of the batch, whose
/// row g·taps·(c/groups) + tap·(c/groups) + channel is that channel of group g at the pixel under the tap, or zero outside.
struct WindowGrid {
  Lattice image;
  int h, w;
  patterns::Window window;
  int groups;

  std::int64_t column_rows() const { return window.taps() * image.c; }
};

// `columns` (plain) holds the tiles of lines [begin, end), where line tile·h + y is row y of places in a tile of the batch: a bounded
// number at a time keeps memory modest. The image may be a row view.

/// columns = the pixels under every window of the lines.
void im2col(const WindowGrid& grid, const Tensor& image, std::int64_t begin, std::int64_t end, const Tensor& columns);
/// image += every element of the columns at the pixel it belongs to: the transpose of im2col.
void col2im(const WindowGrid& grid, const Tensor& columns, std::int64_t begin, std::int64_t end, const Tensor& image);

}  // namespace weft::kernels
