#pragma once

#include <weft/apps/support/config.hpp>
#include <weft/apps/support/training_data.hpp>
#include <weft/data/dataset.hpp>
#include <weft/data/loader.hpp>

namespace weft {

/// Shuffled and augmented training images, and the others in order, normalised alike. `data` must outlive the result.
/// Throws ConfigError for a batch that the images do not fill or a shift that they do not allow, ShapeError as Loader.
TrainingData image_batches(const ImageData& data, const RunOptions& options);

/// How the options and the training images' mean and deviation fill a Loader.
LoaderOptions loader_options(const RunOptions& options, const ImageSet& train);

/// The tiles that --lanes asks for.
Lanes lanes_of(const RunOptions& options);

}  // namespace weft
