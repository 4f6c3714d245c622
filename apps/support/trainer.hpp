#pragma once

#include <functional>
#include <memory>
#include <string>

#include <weft/apps/support/checkpoint.hpp>
#include <weft/apps/support/config.hpp>
#include <weft/apps/support/progress.hpp>
#include <weft/apps/support/training_data.hpp>
#include <weft/autograd/ops.hpp>
#include <weft/layers/optim/schedule.hpp>
#include <weft/layers/parameter_store.hpp>

namespace weft {

/// What is trained: a network, its loss, and the store that both read.
struct Model {
  std::function<Var(Var x, Carried& carried)> net;  ///< `carried`: what it left after the last batch; a network without state leaves it
  std::function<Loss(Var prediction, const Tensor& targets)> loss;
  ParamStore* params = nullptr;
};

/// How a training ended.
struct FitResult {
  bool interrupted = false;
  Position position;  ///< with the last epoch's test; after no epoch, the initial network's
};

/// An optimizer over shuffled batches, the validation set (where there is none, the test set) after each epoch, metrics and a checkpoint
/// of everything the next step depends on: a run that was killed continues with the same bits, on any number of threads.
/// With a validation set the test set is read once, after the last epoch.
class Trainer {
 public:
  /// `data` and what `model` refers to must outlive the trainer. Writes into the existing folder options.out. Throws ConfigError if an
  /// epoch has no batch, or for evaluations without a validation set.
  Trainer(const Model& model, const TrainingData& data, const RunOptions& options, Progress::Style style);
  ~Trainer();

  /// Reads the checkpoint that options.resume asks for and writes nothing; fit() does it if nobody has.
  /// Throws FormatError for a malformed checkpoint or metrics.jsonl, UsageError for one of another network, ConfigError if
  /// options do not fit it.
  void prepare();

  /// Measures a few steps, which leave no trace, and sets the epochs to what options.budget minutes of training allow. Returns them.
  /// Call it before fit(), on a run that has not begun.
  int fit_to_budget();

  /// Trains until options.epochs are done or the user interrupts; a checkpoint is there either way.
  /// With options.resume it continues from OUT/last.safetensors if there is one.
  /// Throws NumericError, naming the first op and layer, when a loss or gradient is not finite: the update is not made and the
  /// last checkpoint stays. Throws as prepare.
  FitResult fit();

  /// The file that fit() keeps up to date.
  static std::string checkpoint_path(const RunOptions& options) { return options.out + "/last.safetensors"; }

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Epochs that fit into 95 % of `minutes`, since machines stall: at least 1.
int epochs_within(double minutes, double seconds_per_epoch);

/// The learning rate that the options describe.
Schedule schedule_of(const RunOptions& options, std::int64_t total_steps);

}  // namespace weft
