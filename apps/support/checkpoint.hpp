#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <weft/apps/support/metrics.hpp>
#include <weft/layers/optim/optimizer.hpp>
#include <weft/layers/parameter_store.hpp>

namespace weft {

/// Where a run is: everything that its next step depends on, beside parameters and optimizer.
struct Position {
  std::uint64_t seed = 42;
  int batch_size = 1;
  std::int64_t train_size = 0;    ///< samples of the training set
  std::uint64_t fingerprint = 0;  ///< of its targets and vocabulary
  int epoch = 0;                  ///< epochs finished
  std::int64_t batch = 0;         ///< batches of the next epoch already trained on
  std::int64_t batches = 0;       ///< of one epoch
  Tally train;                    ///< of those batches
  std::int64_t metrics_lines = 0;
  Tally test;  ///< when the test set was last read

  /// Updates made; the step of the next one.
  std::int64_t step() const { return epoch * batches + batch; }
};

/// What a recurrent network hands from one batch to the next, each tensor on the batch's Columns; empty before the first.
using Carried = std::vector<Tensor>;

/// Writes parameters, buffers and structure under their field names, the optimizer's state under "optimizer/…", what is carried as
/// "carried/0", … and the position as metadata to one safetensors file. A crash leaves the old file or the new one.
/// Throws NumericError, leaving the old file, if one of them is not finite; FormatError if the disk refuses.
void save_checkpoint(const std::string& path, const ParamStore& params, const Optimizer& optimizer, const Position& position,
                     const Carried& carried = {});

/// What a checkpoint's file holds.
struct Checkpoint {
  Position position;
  State weights, moments;         ///< of the parameters and of the optimizer
  std::vector<Tensor> carried{};  ///< row-major [rows…, N]
};

/// Reads what save_checkpoint wrote. Throws FormatError for a file in which a bit has changed, or that is malformed, lacks an entry or
/// contradicts itself.
Checkpoint read_checkpoint(const std::string& path);

/// Sets parameters and optimizer. Throws UsageError for a checkpoint of another network; then nothing has changed.
void restore(const Checkpoint& checkpoint, ParamStore& params, Optimizer& optimizer);

/// Reads and restores a checkpoint; throws as these do, and then nothing has changed.
Position load_checkpoint(const std::string& path, ParamStore& params, Optimizer& optimizer);

}  // namespace weft
