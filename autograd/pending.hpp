#pragma once

#include <cstdint>

namespace weft {

class Tape;

/// A value not computed yet. Extending one makes another; nothing is mutated, so an inner value can always be read later.
class Pending {
 public:
  virtual ~Pending() = default;
  /// Computes the value of `node` and calls Tape::resolve for it.
  virtual void run(Tape& tape, std::int32_t node) = 0;
};

}  // namespace weft
