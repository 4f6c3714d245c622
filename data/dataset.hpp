#pragma once

#include <cstdint>
#include <functional>
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

/// A training and a test set of equal lattice and classes, and at times one for validation.
struct ImageData {
  std::string name;    ///< "MNIST", "Fashion-MNIST", "CIFAR-10", "CIFAR-100", "Tiny ImageNet", or own_name
  std::string source;  ///< where it was found, in one line
  ImageSet train, test;
  ImageSet validation{};  ///< of size 0: none held out
};

/// "own images NAME" for a folder of another set, so that none is taken for the set whose name its folder has.
std::string own_name(const std::string& folder);

/// Throws ShapeError, naming `op`, if the set has no pixel positions or its arrays disagree with its size.
void check_consistent(const ImageSet& set, const char* op);

/// Takes floor(share * size) images out of a set and returns them in random order, the same in every run; the others keep theirs.
/// Throws UsageError unless share is in [0, 1), ShapeError as check_consistent.
ImageSet hold_out(ImageSet& set, double share);

/// A set of labels.size() images, of which draw(i, pixels) writes the i-th as [h][w][c], on all threads at once.
/// Rethrows what the first image that failed threw.
ImageSet draw_images(Lattice lattice, int classes, std::vector<std::int32_t> labels,
                     const std::function<void(std::int64_t i, std::uint8_t* pixels)>& draw);

/// What LoaderOptions normalise by, pixels being p / 255: a value for each channel.
struct ChannelStatistics {
  std::vector<float> mean;
  std::vector<float> std;  ///< of the population; 1 for a channel that is constant
};

/// The statistics of all images of a set, from exact integer sums: the same bits on every machine. An empty set has mean 0, std 1.
/// Throws ShapeError as check_consistent.
ChannelStatistics channel_statistics(const ImageSet& set);

}  // namespace weft
