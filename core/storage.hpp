#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace weft {

/// Reuses tensor storage: a buffer whose last owner goes returns here and serves the next request of its size.
/// A training step that repeats its shapes therefore allocates nothing. Copies share one pool; it may outlive its makers.
class Pool {
 public:
  Pool();
  /// `bytes` of storage aligned to 64 bytes, contents unspecified. Throws OutOfMemory.
  std::shared_ptr<std::byte> take(std::int64_t bytes) const;
  /// Buffers asked of the system since the pool was made: constant over steady steps.
  std::int64_t allocations() const;
  /// Bytes held, in use or waiting.
  std::int64_t bytes() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace weft
