#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace weft::bench {

/// Name and value of what a figure depends on: processor, caches, instruction set, cores, load.
std::vector<std::pair<std::string, std::string>> describe_machine();

/// Starts this program anew without the environment variables that hold a peer back (OpenBLAS reads its own before main).
/// Returns their names if there were none to remove in this start but in the one before, for the results.
std::string run_without_brakes(char** argv);

/// The most memory the process has held, in bytes: since the last call of reset_peak_memory, and since its start.
/// 0 where the system does not tell.
struct PeakMemory {
  std::int64_t since_reset = 0, since_start = 0;
};
PeakMemory peak_memory();
void reset_peak_memory();

}  // namespace weft::bench
