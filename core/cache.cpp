#include <weft/core/cache.hpp>

#include <unistd.h>

namespace weft {

std::int64_t l2_bytes() {
  static const std::int64_t bytes = [] {
#ifdef _SC_LEVEL2_CACHE_SIZE
    const std::int64_t told = sysconf(_SC_LEVEL2_CACHE_SIZE);
#else
    const std::int64_t told = 0;
#endif
    return told > 0 ? told : std::int64_t{1} << 20;
  }();
  return bytes;
}

}  // namespace weft
