#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <weft/core/shape.hpp>

namespace weft {

/// Labelled images as bytes, sample after sample: what a Loader turns into tensors.
struct ImageSet {
  Lattice lattice;
  int classes = 0;                   ///< labels are in [0, classes)
  std::int64_t size = 0;             ///< samples
  std::vector<std::uint8_t> pixels;  ///< [size][h][w][c]
  std::vector<std::int32_t> labels;  ///< [size]
};

/// A training and a test set of equal lattice and classes.
struct ImageData {
  std::string name;    ///< "MNIST", "Fashion-MNIST", or the folder's name for any other set
  std::string source;  ///< where it was found, in one line
  ImageSet train, test;
};

}  // namespace weft
