#pragma once

#include <cstdint>

#include <weft/core/tensor.hpp>

namespace weft {

/// N samples, or one step of N streams. Padding lanes repeat the last sample, in both tensors.
struct Batch {
  Tensor x;        ///< [rows…, N]: f32 or f64 values, or i32 ids
  Tensor targets;  ///< on the same Columns
};

/// What a trainer reads: the batches of a set, epoch by epoch. Order and augmentation are a pure function of (seed, epoch,
/// position in the epoch): an epoch entered at a later batch, on any machine, gives the same bits.
///
///     source.begin(epoch);
///     for (Batch b; source.next(b);) step(b.x, b.targets);
class Batches {
 public:
  virtual ~Batches() = default;

  /// Batches of one epoch.
  virtual std::int64_t batches() const = 0;
  /// Goes to batch `first_batch` of an epoch. Throws UsageError if either is negative or first_batch > batches().
  virtual void begin(std::int64_t epoch, std::int64_t first_batch = 0) = 0;
  /// The next batch of the epoch, or false after the last one (and before any begin()). `out` gives its storage back.
  virtual bool next(Batch& out) = 0;
};

}  // namespace weft
