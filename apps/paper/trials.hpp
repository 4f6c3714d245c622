#pragma once

#include <cstdint>
#include <map>
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

/// Seconds of a training step, with all threads.
struct StepSeconds {
  double sparse = 0, native = 0, pruned = 0;
  bool disturbed = false;         ///< other programs took the processor meanwhile
  std::optional<double> pytorch;  ///< the better of its memory formats
};

/// Where and how the apps are run.
struct Place {
  std::string programs;  ///< folder of the executables
  std::string out;       ///< folder of the table, with one for each benchmark below it
  std::string data;      ///< --data for the apps; empty: WEFT_DATA, the cache
  double minutes = 0;    ///< instead of the benchmark's; 0: its own
};

/// An app's options by name, each as JSON text.
using Settings = std::map<std::string, std::string>;

/// A benchmark's trainings, in OUT/<app>/. What is finished counts as long as the app would train it with the same settings today.
class Trials {
 public:
  Trials(Place place, Benchmark benchmark);

  double minutes() const { return place_.minutes > 0 ? place_.minutes : benchmark_.minutes; }

  /// Asks the app for its settings, on which all that follows depends. Its exit code; what it said goes to stderr if that is not 0.
  int ask();
  /// Whether the app can leave blocks out.
  bool prunes() const { return settings_.count("density") > 0; }

  /// Epochs that each training makes: as many as fit into the minutes in the slowest of the three forms, so that all have one schedule, and
  /// no more than the benchmark's most. What epochs.json says; nothing if that was not measured for these minutes and settings.
  std::optional<int> epochs() const;
  /// Has each form measure a few steps and writes epochs.json. The app's exit code.
  int fit_epochs() const;

  /// What the cell's folder holds; nothing unless a training with these very settings has ended there. Throws FormatError if that is
  /// damaged.
  std::optional<Outcome> read(const Cell& cell) const;
  /// Trains the cell, or continues where it stopped; the app's lines go to this program's output. The app's exit code.
  int train(const Cell& cell) const;

  /// What `bench` measured for the benchmark's step, in step.json; has it measured if there is none, or one without PyTorch where
  /// WEFT_PYTHON names it now. Nothing if it could not. Throws Exit if the user interrupts it.
  std::optional<StepSeconds> step_seconds() const;

 private:
  std::string path(const std::string& name) const { return place_.out + "/" + benchmark_.app + "/" + name; }
  std::vector<std::string> words_of(const Cell& cell) const;
  Settings settings_of(const Cell& cell) const;
  bool has_begun(const Cell& cell) const;
  static void read_metrics(const std::string& path, Outcome& outcome);
  std::optional<StepSeconds> read_steps(const std::string& path) const;

  Place place_;
  Benchmark benchmark_;
  Settings settings_;  // the app's own
};

}  // namespace weft::paper
