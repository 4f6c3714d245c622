#pragma once

#include <cstdint>

namespace weft {

/// Bytes of one core's second-level cache; 1 MiB where the system does not tell.
std::int64_t l2_bytes();

}  // namespace weft
