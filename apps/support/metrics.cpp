#include <weft/apps/support/metrics.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdint>
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
  return json.contains("loss") && json["loss"].is_number() && json.contains("accuracy") && json["accuracy"].is_number();
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

EpochMetrics Tally::metrics(double epoch, const std::string& split) const {
  return {.epoch = epoch,
          .split = split,
          .loss = mean_loss(),
          .accuracy = accuracy(),
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

std::string to_json_line(const EpochMetrics& metrics) {
  nlohmann::ordered_json json{{"epoch", metrics.epoch},     {"split", metrics.split},
                              {"loss", metrics.loss},       {"accuracy", metrics.accuracy},
                              {"seconds", metrics.seconds}, {"samples_per_second", metrics.samples_per_second}};
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
