#pragma once

#include <vector>

#include <weft/apps/support/config.hpp>
#include <weft/apps/support/training_data.hpp>
#include <weft/data/series.hpp>
#include <weft/data/series_loader.hpp>

namespace weft {

/// What the series benchmarks share: AdamW along a cosine, the gradient's norm bounded by 1; `models` are the app's own defaults of those
/// models for which they differ.
RunOptions series_recipe(RunOptions o, std::vector<RunOptions> models);

/// Windows of standardised series: shuffled ones of the training part, all of the validation and test parts in order; errors are in
/// units of the training part's deviation. With the baselines on the test windows and a picture of the first one's forecast.
/// Throws FormatError for a part that is too short for --look-back and --horizon.
TrainingData series_batches(const SeriesData& data, const RunOptions& options, SampleOf sample);

}  // namespace weft
