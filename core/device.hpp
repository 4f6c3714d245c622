#pragma once

#include <string>
#include <string_view>

namespace weft {

/// Where tensors live and kernels run.
struct Device {
  enum class Kind { cpu, cuda };
  Kind kind = Kind::cpu;
  int index = 0;

  /// Reads "cpu", "cuda" or "cuda:1". Throws ConfigError for anything else, DeviceError for a device this build lacks.
  static Device parse(std::string_view text);
  std::string str() const;
  bool operator==(const Device&) const = default;
};

}  // namespace weft
