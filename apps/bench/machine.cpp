#include <weft/apps/bench/machine.hpp>

#include <malloc.h>
#include <unistd.h>

#include <omp.h>
#include <algorithm>
#include <cstdlib>
#include <fstream>

#include <weft/core/text.hpp>
#include <weft/kernels/kernel_table.hpp>

namespace weft::bench {

namespace {

// What slows a library down. ./run gives apps a short GOMP_SPINCOUNT, since other programs may want the cores that their threads wait on;
// here it would nearly double a small network's step.
constexpr const char* kBrakes[] = {"OPENBLAS_CORETYPE",       "OPENBLAS_NUM_THREADS", "DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA",
                                   "MKL_ENABLE_INSTRUCTIONS", "ATEN_CPU_CAPABILITY",  "GOMP_SPINCOUNT"};
constexpr const char* kRemoved = "WEFT_BENCH_REMOVED";

/// What follows "key<spaces>:" in the first such line of a file of the system; empty if there is none.
std::string field(const char* path, const std::string& key) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || line.compare(0, key.size(), key) != 0) continue;
    const std::size_t value = line.find_first_not_of(" \t", colon + 1);
    return value == std::string::npos ? "" : line.substr(value);
  }
  return {};
}

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

/// "L1d 48K, L2 1024K, L3 32768K" of the first core.
std::string caches() {
  std::string text;
  for (int i = 0;; ++i) {
    const std::string folder = cat("/sys/devices/system/cpu/cpu0/cache/index", i, "/");
    const std::string level = first_line(folder + "level"), type = first_line(folder + "type");
    if (level.empty()) return text;
    if (type == "Instruction") continue;
    text += cat(text.empty() ? "" : ", ", "L", level, type == "Data" ? "d " : " ", first_line(folder + "size"));
  }
}

}  // namespace

std::vector<std::pair<std::string, std::string>> describe_machine() {
  const char* info = "/proc/cpuinfo";
  return {{"processor", cat(field(info, "model name"), " (family ", field(info, "cpu family"), ", model ", field(info, "model\t"), ")")},
          {"cores", cat(omp_get_num_procs())},
          {"caches", caches()},
          {"instruction set", kernels::isa_name()},
          {"load average", first_line("/proc/loadavg")}};
}

std::string run_without_brakes(char** argv) {
  std::string removed;
  for (const char* name : kBrakes)
    if (std::getenv(name) != nullptr) {
      removed += cat(removed.empty() ? "" : ", ", name);
      unsetenv(name);
    }
  if (!removed.empty()) {
    setenv(kRemoved, removed.c_str(), 1);
    execv("/proc/self/exe", argv);  // returns only where there is no /proc; then libraries keep what they have read
  }
  const char* before = std::getenv(kRemoved);
  return before == nullptr ? "" : before;
}

PeakMemory peak_memory() {
  static std::int64_t highest = 0;
  const std::int64_t now = std::strtoll(field("/proc/self/status", "VmHWM").c_str(), nullptr, 10) * 1024;
  highest = std::max(highest, now);
  return {now, highest};
}

void reset_peak_memory() {
  peak_memory();
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";  // proc(5): the peak becomes what is held now
}

}  // namespace weft::bench
