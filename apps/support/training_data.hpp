#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <weft/apps/support/metrics.hpp>
#include <weft/core/shape.hpp>
#include <weft/core/storage.hpp>
#include <weft/core/tensor.hpp>
#include <weft/data/batches.hpp>
#include <weft/data/vocabulary.hpp>

namespace weft {

/// A trained network's answer to x.
using Predict = std::function<Tensor(const Tensor& x)>;

/// What a run trains on and how it is judged.
struct TrainingData {
  std::string name, source;
  std::string samples;  ///< what they are: "images", "windows"
  int classes = 0;      ///< 0: the targets are no classes
  std::int64_t train_size = 0, validation_size = 0, test_size = 0;
  std::uint64_t fingerprint = 0;  ///< of the training targets and the vocabulary: a resumed run must find the same
  Vocabulary vocabulary{};        ///< of ids that are words: kept beside the checkpoint, which means nothing without it
  std::unique_ptr<Batches> train, test;
  std::unique_ptr<Batches> validation;  ///< null: none held out
  std::int64_t part = 512;              ///< validation samples that an evaluation within an epoch sees, in whole batches
  Shape input;                          ///< row axes of x
  Dtype dtype = Dtype::f32;             ///< of x
  Measure measure = Measure::accuracy;
  /// The other view of a batch over which the last test is averaged; empty: there is none.
  std::function<Tensor(const Tensor& x, const Pool& pool)> mirror;
  /// What simpler methods reach on the test samples, by their names; measured where a run trains.
  std::vector<std::pair<std::string, std::function<std::vector<Metric>()>>> baselines{};
  /// Leaves an example of what was learnt in the folder `out`. Returns the gnuplot script that draws it; empty: there is none.
  std::function<std::string(const Predict& predict, const std::string& out)> illustrate;
};

}  // namespace weft
