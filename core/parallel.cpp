#include <weft/core/parallel.hpp>

#include <algorithm>
#include <atomic>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

constexpr int kMostThreads = 1024;

std::atomic<int>& team_size() {
  static std::atomic<int> size = std::max(1, std::min(omp_get_max_threads(), omp_get_num_procs()));
  return size;
}

}  // namespace

int threads() { return team_size(); }

void set_threads(int n) {
  if (n < 1 || n > kMostThreads)
    throw ConfigError({.op = "threads", .what = cat(n, " threads asked for"), .hint = cat("give 1 to ", kMostThreads)});
  team_size() = n;
}

std::vector<std::int64_t> balanced_ranges(const std::vector<std::int64_t>& ptr, std::int64_t parts) {
  const auto n = static_cast<std::int64_t>(ptr.size()) - 1;
  std::vector<std::int64_t> bounds(static_cast<std::size_t>(parts) + 1, n);
  bounds[0] = 0;
  for (std::int64_t p = 1; p < parts; ++p) {
    const std::int64_t wanted = ptr[0] + (ptr[static_cast<std::size_t>(n)] - ptr[0]) * p / parts;
    const auto at = std::lower_bound(ptr.begin(), ptr.end(), wanted) - ptr.begin();
    bounds[static_cast<std::size_t>(p)] = std::clamp<std::int64_t>(at, bounds[static_cast<std::size_t>(p) - 1], n);
  }
  return bounds;
}

}  // namespace weft
