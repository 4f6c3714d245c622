#pragma once

#include <stdexcept>
#include <string>

namespace weft {

/// What an error message says. Printed as
///   <kind> in <op> '<path>': <what>
///     <detail>
///     hint: <hint>
/// where every part but `what` may be empty.
struct Report {
  std::string op;      ///< the function, layer or format at work, e.g. "conv2d" or "idx"
  std::string path;    ///< the layer path or the file
  std::string what;    ///< both sides with their meaning, the wrong value among them
  std::string detail;  ///< where the wrong value comes from
  std::string hint;    ///< the one thing to do
};

/// Every error that weft throws. The library never prints and never exits.
class Error : public std::runtime_error {
 public:
  Error(const char* kind, const Report& report);
};

/// Two shapes, patterns or column sets that do not fit.
class ShapeError : public Error {
 public:
  explicit ShapeError(const Report& report) : Error("shape error", report) {}
};

/// A call that the API does not allow: wrong dtype, stale or foreign Var, duplicate name.
class UsageError : public Error {
 public:
  explicit UsageError(const Report& report) : Error("usage error", report) {}
};

/// A device that is missing or that failed.
class DeviceError : public Error {
 public:
  explicit DeviceError(const Report& report) : Error("device error", report) {}
};

/// Storage that could not be allocated.
class OutOfMemory : public Error {
 public:
  explicit OutOfMemory(const Report& report) : Error("out of memory", report) {}
};

/// A missing or malformed file; names the file and the byte or line.
class FormatError : public Error {
 public:
  explicit FormatError(const Report& report) : Error("format error", report) {}
};

/// An unknown or invalid flag or configuration key; names the nearest valid one.
class ConfigError : public Error {
 public:
  explicit ConfigError(const Report& report) : Error("configuration error", report) {}
};

/// A non-finite value; names the first op and layer that made one.
class NumericError : public Error {
 public:
  explicit NumericError(const Report& report) : Error("numeric error", report) {}
};

namespace detail {
[[noreturn]] void broken_invariant(const char* condition, const char* file, int line);
}

}  // namespace weft

/// An invariant of weft itself, checked in every build; user input is answered with an Error instead.
#define WEFT_CHECK(condition) ((condition) ? void(0) : ::weft::detail::broken_invariant(#condition, __FILE__, __LINE__))
