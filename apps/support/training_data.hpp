#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <weft/apps/support/metrics.hpp>
#include <weft/core/shape.hpp>
#include <weft/core/storage.hpp>
#include <weft/core/tensor.hpp>
#include <weft/data/batches.hpp>

namespace weft {

/// What a run trains on and how it is judged.
struct TrainingData {
  std::string name, source;
  std::string samples;  ///< what they are: "images", "windows"
  int classes = 0;      ///< 0: the targets are no classes
  std::int64_t train_size = 0, validation_size = 0, test_size = 0;
  std::uint64_t fingerprint = 0;  ///< of the training targets: a resumed run must find the same
  std::unique_ptr<Batches> train, test;
  std::unique_ptr<Batches> validation;  ///< null: none held out
  Shape input;                          ///< row axes of x
  Dtype dtype = Dtype::f32;             ///< of x
  Measure measure = Measure::accuracy;
  /// The other view of a batch over which the last test is averaged; empty: there is none.
  std::function<Tensor(const Tensor& x, const Pool& pool)> mirror;
};

}  // namespace weft
