#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace weft {

/// Seconds from 1970 to a time written as 2016-07-01 02:00:00 or 2016/7/1 2:00, T for the space and a zone of Z allowed, the time of day
/// or its seconds left out. Nothing for what is no such time. Clock changes and zones are not known: days have 24 hours.
std::optional<std::int64_t> parse_time(std::string_view text);

}  // namespace weft
