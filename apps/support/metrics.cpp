#include <weft/apps/support/metrics.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include <weft/core/error.hpp>
#include <weft/core/files/atomic_file.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

void append_text(const std::string& path, const std::string& text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  const auto size = static_cast<ssize_t>(text.size());
  const bool written = file >= 0 && ::write(file, text.data(), text.size()) == size && ::fsync(file) == 0;
  const int reason = errno;
  if (file >= 0) ::close(file);
  if (!written)
    throw FormatError({.op = "metrics",
                       .path = path,
                       .what = cat("the file cannot be written: ", std::strerror(reason)),
                       .hint = "name a writable folder with --out"});
}

bool is_metrics(const nlohmann::json& json) {
  if (!json.is_object() || !json.contains("epoch") || !json["epoch"].is_number()) return false;
  if (!json.contains("split") || !json["split"].is_string()) return false;
  return json.contains("loss") && json["loss"].is_number() && json.contains("seconds") && json["seconds"].is_number();
}

/// Throws FormatError if there are fewer.
std::vector<std::string> first_lines(const std::string& path, std::int64_t count) {
  std::ifstream in(path, std::ios::binary);
  std::vector<std::string> lines;
  std::string line;
  while (static_cast<std::int64_t>(lines.size()) < count && std::getline(in, line)) lines.push_back(line + "\n");
  if (static_cast<std::int64_t>(lines.size()) < count)
    throw FormatError(
        {.op = "metrics",
         .path = path,
         .what = cat("the file ", in.is_open() ? "holds " : "is missing: ", lines.size(), " lines, the checkpoint counts ", count),
         .hint = "put the run's own file back, or start anew without --resume"});
  return lines;
}

}  // namespace

std::vector<std::string> metrics_of(Measure measure) {
  if (measure == Measure::accuracy) return {"accuracy"};
  if (measure == Measure::error) return {"mse", "mae"};
  return {"perplexity"};
}

std::vector<Metric> Tally::measured(Measure measure) const {
  if (measure == Measure::accuracy) return {{"accuracy", accuracy()}};
  if (measure == Measure::error) return {{"mse", mean(squared)}, {"mae", mean(absolute)}};
  return {{"perplexity", std::exp(mean_loss())}};
}

double value_of(const std::string& metric, const Tally& tally, Measure measure) {
  if (metric == "loss") return tally.mean_loss();
  for (const auto& [name, value] : tally.measured(measure))
    if (name == metric) return value;
  return std::nan("");
}

std::string text_of(const Tally& tally, Measure measure) {
  char text[80];
  std::snprintf(text, sizeof text, "loss %.4f", tally.mean_loss());
  return text + text_of(tally.measured(measure), measure);
}

std::string text_of(const std::vector<Metric>& measured, Measure measure) {
  std::string all;
  char text[80];
  for (const auto& [name, value] : measured) {
    if (measure == Measure::accuracy) std::snprintf(text, sizeof text, "  %s %.2f %%", name.c_str(), 100 * value);
    else std::snprintf(text, sizeof text, measure == Measure::error ? "  %s %.4f" : "  %s %.2f", name.c_str(), value);
    all += text;
  }
  return all;
}

EpochMetrics Tally::metrics(double epoch, const std::string& split, Measure measure) const {
  return {.epoch = epoch,
          .split = split,
          .loss = mean_loss(),
          .measured = measured(measure),
          .seconds = seconds,
          .samples_per_second = seconds > 0 ? static_cast<double>(samples) / seconds : 0};
}

std::int64_t count_correct(const Tensor& logits, const Tensor& targets) {
  const std::int64_t classes = logits.rows().back(), places = logits.row_count() / classes;
  const Columns& columns = *logits.columns();
  return by_float(logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::int64_t correct = 0;
    for (std::int64_t tile = 0; tile < columns.tiles(); ++tile)
      for (std::int64_t place = 0; place < places; ++place) {
        const T* values = logits.data<T>() + tile * logits.tile_stride() + place * classes * columns.lanes;
        const std::int32_t* wanted = targets.data<std::int32_t>() + tile * targets.tile_stride() + place * columns.lanes;
        for (int lane = 0; lane < columns.valid_lanes(tile); ++lane) {
          std::int64_t best = 0;
          for (std::int64_t c = 1; c < classes; ++c)
            if (values[c * columns.lanes + lane] > values[best * columns.lanes + lane]) best = c;
          correct += best == wanted[lane];
        }
      }
    return correct;
  });
}

namespace {

/// Errors over valid columns, row by row in order: the same sums on any number of threads.
void add_errors(Tally& tally, const Tensor& prediction, const Tensor& targets) {
  const Columns& columns = *prediction.columns();
  by_float(prediction.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t tile = 0; tile < columns.tiles(); ++tile) {
      const T* found = prediction.data<T>() + tile * prediction.tile_stride();
      const T* wanted = targets.data<T>() + tile * targets.tile_stride();
      for (std::int64_t row = 0; row < prediction.row_count(); ++row)
        for (int lane = 0; lane < columns.valid_lanes(tile); ++lane) {
          const double error =
              static_cast<double>(found[row * columns.lanes + lane]) - static_cast<double>(wanted[row * columns.lanes + lane]);
          tally.squared += error * error;
          tally.absolute += std::abs(error);
        }
    }
  });
}

}  // namespace

void add_measure(Tally& tally, Measure measure, const Tensor& prediction, const Tensor& targets) {
  if (measure == Measure::accuracy) tally.correct += count_correct(prediction, targets);
  if (measure == Measure::error) add_errors(tally, prediction, targets);
}

std::string to_json_line(const EpochMetrics& metrics) {
  nlohmann::ordered_json json{{"epoch", metrics.epoch}, {"split", metrics.split}, {"loss", metrics.loss}};
  for (const auto& [name, value] : metrics.measured) json[name] = value;
  json["seconds"] = metrics.seconds;
  json["samples_per_second"] = metrics.samples_per_second;
  if (metrics.epoch == std::floor(metrics.epoch)) json["epoch"] = static_cast<std::int64_t>(metrics.epoch);
  return json.dump() + "\n";
}

void check_metrics(const std::string& path, std::int64_t lines) {
  std::int64_t number = 0;
  for (const std::string& line : first_lines(path, lines))
    if (++number; !is_metrics(nlohmann::json::parse(line, nullptr, false)))
      throw FormatError({.op = "metrics",
                         .path = path,
                         .what = cat("line ", number, " does not hold the metrics of an epoch"),
                         .hint = "mend the line and resume again, or start anew without --resume"});
}

MetricsFile::MetricsFile(std::string path, std::int64_t lines) : path_(std::move(path)), lines_(lines) {
  const std::vector<std::string> kept = first_lines(path_, lines);
  AtomicFile file(path_);
  for (const std::string& line : kept) file.write(line.data(), line.size());
  file.commit();
}

void MetricsFile::append(const EpochMetrics& metrics) {
  append_text(path_, to_json_line(metrics));
  ++lines_;
}

}  // namespace weft
