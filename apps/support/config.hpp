#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weft {

/// What a run can be asked for. A value comes from the app's defaults, then a JSON file (--config), then a flag; flags spell
/// the names with dashes (--weight-decay), files with underscores ("weight_decay").
struct RunOptions {
  int epochs = 1;
  int batch = 128;
  bool drop_last = false;  ///< leave out the last, smaller batch of an epoch
  double lr = 1e-3;
  std::string optimizer = "adamw";  ///< adamw, or sgd with Nesterov momentum 0.9
  std::string schedule = "cosine";  ///< constant, step, linear, cosine, triangle or one-cycle
  int warmup = 0;                   ///< steps over which lr rises from zero (linear and cosine)
  double weight_decay = 0;          ///< of tensors with two or more axes
  double label_smoothing = 0;
  double clip = 0;  ///< bound of the gradient's norm; 0: none
  double dropout = 0;
  int shift = 0;                ///< random shift of training images, in pixels
  std::string fill = "zero";    ///< what a shift brings in: zero or reflect
  bool flip = false;            ///< mirror training images at random, and average the last test over both
  double cutout = 0;            ///< side of a square that each training image loses, as a share of the image's
  double validation = 0;        ///< share of the training images held out; the test set is then read once, after the last epoch
  int evaluations = 0;          ///< times an epoch that a fixed part of the validation images is evaluated
  double budget = 0;            ///< minutes of training that the number of epochs is fitted to; 0: epochs as given
  std::string model;            ///< which network; empty: the app has only one
  int width = 0;                ///< its channels or units, or the size of a word's vector; 0: as the budget allows, or it has none
  int side = 0;                 ///< pixels a side that a user's own images are resized to; 0: the app reads none
  int steps = 0;                ///< tokens of a text, or of each stream in a batch; 0: the app reads no text
  double word_dropout = 0;      ///< share of the words of training texts that become unknown
  std::string set;              ///< which of an app's data sets; empty: it has only one
  int look_back = 0;            ///< steps of a series that a forecast is made from; 0: the app forecasts nothing
  int horizon = 0;              ///< steps that it tells
  std::string pattern;          ///< links of a recurrence; empty: the app has none
  int layers = 0;               ///< recurrences or convolutions on top of each other; 0: the app or the model has none
  int words = 0;                ///< that a language model writes after its training
  std::string form = "sparse";  ///< sparse, native or untied
  double density = 1;           ///< share of 16x16 blocks kept where an app prunes
  std::uint64_t seed = 42;
  std::string device = "cpu";
  int threads = 0;             ///< 0: one for each core
  std::string lanes = "auto";  ///< auto, 1 or 16
  std::string data;            ///< folder of the data set; empty: WEFT_DATA, the cache, a download, system packages
  std::string out;             ///< folder for all results; empty: out/<app>
  int checkpoint_every = 100;  ///< steps between checkpoints within an epoch; 0: only at its end
  int log_every = 0;           ///< steps between plain progress lines; 0: ten an epoch
  std::string target;          ///< "accuracy>=0.99": exit 3 if the last epoch does not meet it

  std::vector<std::string> lacks{};  ///< of the above, those that the app has no use for: no flags and no keys
  std::vector<RunOptions> models{};  ///< the app's defaults where one of these .model is asked for

  // Asked of one call only: not part of config.json.
  std::string config;  ///< JSON file with any of the above
  bool resume = false;
  bool dry_run = false;
  bool verbose = false;
  bool quiet = false;
};

/// Reads flags and files over `defaults`. With --resume, OUT/config.json is read before --config, so that a run continues as
/// it began. Prints the help and throws Exit{0} for --help. Throws ConfigError for an unknown flag or key (naming the nearest
/// valid one if there is one near), for a value of the wrong type or outside its range, for --epochs beside --budget, and for one other
/// than the app's that the others leave without effect (a warmup, fill, or width that the schedule, shift or model does not use);
/// FormatError for the former in OUT/config.json.
RunOptions read_options(int argc, const char* const* argv, const RunOptions& defaults);

/// The options that config.json holds, as JSON text.
std::string to_json(const RunOptions& options);
/// Reads JSON text over `options`; `file` names it in errors. Throws ConfigError as read_options.
void apply_json(const std::string& text, const std::string& file, RunOptions& options);
/// Throws ConfigError for a value outside its range.
void check(const RunOptions& options);

/// A condition on the last epoch's test metrics: "accuracy>=0.99".
struct Target {
  std::string metric;    ///< accuracy, loss, mse, mae or perplexity
  std::string relation;  ///< >=, >, <= or <
  double value = 0;
  /// Throws ConfigError for an unknown metric (naming the nearest), relation or number.
  static Target parse(const std::string& text);
  /// False for NaN: what was not measured meets nothing.
  bool met_by(double measured) const;
};

}  // namespace weft
