// Measures kernels and training steps against what the processor can do and against other libraries: ./run bench
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <weft/apps/bench/machine.hpp>
#include <weft/apps/bench/peers/peers.hpp>
#include <weft/apps/bench/peers/pytorch.hpp>
#include <weft/apps/bench/tables.hpp>
#include <weft/apps/support/exit.hpp>
#include <weft/core/error.hpp>
#include <weft/core/parallel.hpp>
#include <weft/core/text.hpp>

using namespace weft;
using namespace weft::bench;

namespace {

std::string or_absent(const std::string& version, const std::string& package) {
  return version.empty() ? cat("not in this build; to compare with it, install ", package, " and build again") : version;
}

/// PyTorch's process, or none with a line that says what to do.
std::unique_ptr<PyTorch> start_pytorch(Results& results) {
  const char* python = std::getenv("WEFT_PYTHON");
  if (python == nullptr || *python == '\0') {
    results.fact("PyTorch", "not asked for; set WEFT_PYTHON to a Python that has it (pip install torch)");
    return nullptr;
  }
  try {
    auto pytorch = std::make_unique<PyTorch>(python);
    results.fact("PyTorch", pytorch->version());
    return pytorch;
  } catch (const DeviceError& error) {
    results.fact("PyTorch", cat("absent: ", error.what()));
    return nullptr;
  }
}

void describe(Results& results, const Options& options, const std::string& brakes) {
  for (const auto& [name, value] : describe_machine()) results.fact(name, value);
  results.fact("rounds",
               cat(options.measured_rounds(), " a cell; 25th percentile of processor time (1 thread) or wall time (more); useful FLOPs"));
  if (!brakes.empty()) results.fact("environment", cat("removed ", brakes, ", which holds peers back"));
  results.fact("oneDNN", or_absent(peers::onednn::version(), "libdnnl-dev"));
  results.fact("OpenBLAS", or_absent(peers::openblas::version(), "libopenblas-dev"));
  results.fact("Eigen", or_absent(peers::eigen::version(), "libeigen3-dev"));
}

int measure_all(const Options& options, const std::string& brakes) {
  Results results;
  describe(results, options, brakes);
  Context context{options, results, std::regex(options.filter)};
  std::unique_ptr<PyTorch> pytorch;
  if (wants_steps(context) || wants_sweeps(context)) pytorch = start_pytorch(results);
  for (const int n : options.threads.empty() ? std::vector<int>{1} : options.threads) {
    set_team(n);
    bsr_table(context);
    conv_table(context);
    csr_table(context);
    density_table(context);
    rows_table(context);
  }
  for (const int n : options.threads.empty() ? std::vector<int>{1, 2} : options.threads) {
    set_team(n);
    step_table(context, pytorch.get());
    sweep_table(context, pytorch.get());
  }
  if (results.empty())
    throw ConfigError(
        {.op = "flags",
         .path = "--filter",
         .what = cat("no cell's name contains '", options.filter, "'"),
         .hint =
             "names read e.g. bsr/forward/K1024/b16/d10/N64, conv/data/16->32@14, csr/forward/d10/N256, density/c2, step/cifar10/resnet9, "
             "sweep/lstm/H128/N64"});
  results.print_losses();
  results.line(cat("Peak memory of this process: ", fixed(static_cast<double>(peak_memory().since_start) / 1e6, 1), " MB"));
  if (!options.json.empty()) results.write_json(options.json);
  return kOk;
}

}  // namespace

int main(int argc, char** argv) {
  return guarded([&] {
    const std::string brakes = run_without_brakes(argv);
    return measure_all(weft::bench::read_options(argc, argv), brakes);
  });
}
