#pragma once

#include <functional>

namespace weft {

/// Thrown when a run has nothing left to do, e.g. after --help; `guarded` returns its code.
struct Exit {
  int code = 0;
};

/// The exit codes of every app.
enum ExitCode : int {
  kOk = 0,
  kWrongUse = 1,      ///< flags, configuration, shapes
  kBadData = 2,       ///< data or a checkpoint missing or malformed
  kTargetMissed = 3,  ///< --target not met by the last epoch
  kNotFinite = 4,     ///< a non-finite loss or gradient
  kNoDevice = 5,      ///< device or memory
  kInterrupted = 130  ///< Ctrl-C, after a checkpoint
};

/// Runs the body of main; an exception becomes its exit code, with the message on stderr.
int guarded(const std::function<int()>& body);

}  // namespace weft
