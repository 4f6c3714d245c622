#include <weft/core/device.hpp>

#include <charconv>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

Device Device::parse(std::string_view text) {
  if (text == "cpu") return {};
  const ConfigError unknown({.op = "device", .what = cat("'", text, "' is no device"), .hint = "use cpu, cuda or cuda:<index>"});
  if (text.substr(0, 4) != "cuda") throw unknown;
  Device device{Kind::cuda, 0};
  if (text.size() > 4) {
    const auto [end, status] = std::from_chars(text.data() + 5, text.data() + text.size(), device.index);
    if (text[4] != ':' || status != std::errc{} || end != text.data() + text.size() || device.index < 0) throw unknown;
  }
  throw DeviceError(
      {.op = "device", .what = cat("'", text, "' asked for, but this build has no CUDA kernels"), .hint = "use --device cpu"});
}

std::string Device::str() const { return kind == Kind::cpu ? "cpu" : cat("cuda:", index); }

}  // namespace weft
