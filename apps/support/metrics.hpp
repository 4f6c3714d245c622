#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <weft/core/tensor.hpp>

namespace weft {

/// How predictions are judged, beside the loss.
enum class Measure : std::uint8_t {
  accuracy,   ///< "accuracy": the share of targets whose largest logit is theirs
  error,      ///< "mse" and "mae": the mean square and the mean size of prediction - target
  perplexity  ///< "perplexity": exp of the loss, the mean negative log-likelihood of a target
};

/// A named value, e.g. {"accuracy", 0.99}.
using Metric = std::pair<std::string, double>;

/// The names of what a measure gives, the one that judges first.
std::vector<std::string> metrics_of(Measure measure);

/// What one pass over a split measured.
struct EpochMetrics {
  double epoch = 0;              ///< epochs trained so far
  std::string split;             ///< train, validation, "validation, part", test, or "test, flip average"
  double loss = 0;               ///< mean over the targets
  std::vector<Metric> measured;  ///< as metrics_of
  double seconds = 0;
  double samples_per_second = 0;
};

/// Sums that an epoch's metrics are made from; kept in checkpoints, so an epoch may be cut in two.
struct Tally {
  double loss = 0;  ///< summed over targets, in order of batches
  std::int64_t targets = 0, correct = 0, samples = 0;
  double squared = 0, absolute = 0;  ///< summed errors
  double seconds = 0;

  // NaN of no target: nothing was measured.
  double mean_loss() const { return mean(loss); }
  double accuracy() const { return mean(static_cast<double>(correct)); }
  std::vector<Metric> measured(Measure measure) const;
  EpochMetrics metrics(double epoch, const std::string& split, Measure measure) const;

 private:
  double mean(double sum) const { return targets > 0 ? sum / static_cast<double>(targets) : std::nan(""); }
};

/// The value of a metric, or of "loss". NaN if there is none of that name.
double value_of(const std::string& metric, const Tally& tally, Measure measure);

/// "  accuracy 85.12 %", "  mse 0.4321  mae 0.4012".
std::string text_of(const std::vector<Metric>& measured, Measure measure);
/// "loss 0.4321  accuracy 85.12 %".
std::string text_of(const Tally& tally, Measure measure);

/// Adds what the measure sums over one batch's predictions: nothing for perplexity.
void add_measure(Tally& tally, Measure measure, const Tensor& prediction, const Tensor& targets);

/// Targets (i32 on the logits' Columns) that are the index of their largest logit (last row axis); the first of equals counts.
std::int64_t count_correct(const Tensor& logits, const Tensor& targets);

/// One line of metrics.jsonl: {"epoch":1 (2.5 in the middle of the third),"split":"test","loss":…,"accuracy":… (or what else is
/// measured),"seconds":…,"samples_per_second":…}.
std::string to_json_line(const EpochMetrics& metrics);

/// Throws FormatError, naming file and line, if one of the first `lines` lines is missing or not as to_json_line writes them.
void check_metrics(const std::string& path, std::int64_t lines);

/// metrics.jsonl: one JSON object a line, appended and brought to the disk, so that a checkpoint written later never counts more.
class MetricsFile {
 public:
  /// Keeps the first `lines` lines of an existing file, those that the resumed checkpoint counts, and drops the others; a crash leaves
  /// the old file or the new one. Throws FormatError if there are fewer, changing nothing, or if the file cannot be written.
  MetricsFile(std::string path, std::int64_t lines);
  void append(const EpochMetrics& metrics);
  std::int64_t lines() const { return lines_; }

 private:
  std::string path_;
  std::int64_t lines_ = 0;
};

}  // namespace weft
