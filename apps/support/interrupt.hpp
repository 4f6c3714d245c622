#pragma once

#include <csignal>

namespace weft {

/// While it lives, the first SIGINT or SIGTERM only sets a flag, so that a run can save and end; a second one ends it at once.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  bool asked() const;

 private:
  struct sigaction old_int_ = {}, old_term_ = {};
};

}  // namespace weft
