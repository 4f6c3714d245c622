#pragma once

#include <functional>
#include <string>

namespace weft {

/// Sends the library's remarks (which kernel row ran and why) to `sink`; none by default. The library itself never prints.
void set_log(std::function<void(const std::string&)> sink);
/// True if a sink is set: build a message only then.
bool log_wanted();
void log(const std::string& message);

}  // namespace weft
