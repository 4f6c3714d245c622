#include <weft/core/parallel.hpp>

#include <algorithm>
#include <atomic>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

std::atomic<int>& team_size() {
  static std::atomic<int> size = std::max(1, std::min(omp_get_max_threads(), omp_get_num_procs()));
  return size;
}

}  // namespace

int threads() { return team_size(); }

void set_threads(int n) {
  if (n < 1) throw ConfigError({.op = "threads", .what = cat(n, " threads asked for"), .hint = "give 1 or more"});
  team_size() = n;
}

}  // namespace weft
