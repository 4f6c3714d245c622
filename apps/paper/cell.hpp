#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <weft/apps/paper/benchmarks.hpp>

namespace weft::paper {

/// One training of the table.
struct Cell {
  std::string form;  ///< sparse, native or untied
  double density = 1;
  int seed = kFirstSeed;

  /// "untied-42", "sparse-d25-42".
  std::string name() const;
};

/// A value on the fixed part of the validation samples.
struct Evaluation {
  double epoch = 0, value = 0;
};

/// What a finished training left in its folder.
struct Outcome {
  Cell cell;
  Metric metric = Metric::accuracy;
  std::string data, samples;  ///< the set's name, and what it consists of: "images"
  int classes = 0;
  std::int64_t train_size = 0, validation_size = 0, test_size = 0;
  double value = 0;                    ///< of the metric on the test set, after the last epoch
  std::optional<double> flip_average;  ///< the same over mirror images, where the app measures it
  int epochs = 0;
  double seconds_per_epoch = 0;  ///< of training, evaluation apart
  std::int64_t parameters = 0, nnz = 0, peak_memory = 0;
  std::vector<Evaluation> curve;
};

/// Where and how the apps are run.
struct Place {
  std::string programs;  ///< folder of the executables
  std::string out;       ///< folder of the table, with one for each benchmark below it
  std::string data;      ///< --data for the apps; empty: WEFT_DATA, the cache
  double minutes = 0;    ///< instead of the benchmark's; 0: its own

  std::string folder(const Benchmark& benchmark, const Cell& cell) const { return out + "/" + benchmark.app + "/" + cell.name(); }
  double minutes_of(const Benchmark& benchmark) const { return minutes > 0 ? minutes : benchmark.minutes; }
};

/// Epochs that each training of the benchmark makes: as many as fit into its minutes in the slowest of the three forms, so that all have
/// one schedule. What OUT/<app>/epochs.json says; nothing if that was not measured for these minutes.
std::optional<int> fitted_epochs(const Place& place, const Benchmark& benchmark);

/// Has each form measure a few steps and writes epochs.json. The app's exit code.
int fit_epochs(const Place& place, const Benchmark& benchmark);

/// What the cell's folder holds; nothing unless a training of these very settings has ended there. Throws FormatError if that is damaged.
std::optional<Outcome> read_outcome(const Place& place, const Benchmark& benchmark, const Cell& cell);

/// Trains the cell for fitted_epochs, or continues where it stopped; the app's lines go to this program's output. The app's exit code.
int train(const Place& place, const Benchmark& benchmark, const Cell& cell);

/// Seconds of a training step, with all threads.
struct StepSeconds {
  double sparse = 0, native = 0, pruned = 0;
  bool disturbed = false;         ///< other programs took the processor meanwhile
  std::optional<double> pytorch;  ///< the better of its memory formats
};

/// What `bench` measured for the benchmark's step, in OUT/<app>/step.json; has it measured if there is none, or one without PyTorch
/// where WEFT_PYTHON names it now. Nothing if it could not. Throws Exit if the user interrupts it.
std::optional<StepSeconds> step_seconds(const Place& place, const Benchmark& benchmark);

}  // namespace weft::paper
