#include <weft/apps/support/metrics.hpp>

#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include <weft/core/error.hpp>

namespace weft {

namespace {

void write(const std::string& path, const std::string& text, std::ios::openmode mode) {
  std::ofstream out(path, std::ios::binary | mode);
  out << text << std::flush;
  if (!out)
    throw FormatError({.op = "metrics", .path = path, .what = "the file cannot be written", .hint = "name a writable folder with --out"});
}

std::string first_lines(const std::string& path, std::int64_t count) {
  std::ifstream in(path, std::ios::binary);
  std::string kept, line;
  for (; count > 0 && std::getline(in, line); --count) kept += line + "\n";
  return kept;
}

}  // namespace

EpochMetrics Tally::metrics(int epoch, const std::string& split) const {
  return {.epoch = epoch,
          .split = split,
          .loss = mean_loss(),
          .accuracy = accuracy(),
          .seconds = seconds,
          .samples_per_second = seconds > 0 ? static_cast<double>(samples) / seconds : 0};
}

std::string to_json_line(const EpochMetrics& metrics) {
  const nlohmann::ordered_json json{{"epoch", metrics.epoch},     {"split", metrics.split},
                                    {"loss", metrics.loss},       {"accuracy", metrics.accuracy},
                                    {"seconds", metrics.seconds}, {"samples_per_second", metrics.samples_per_second}};
  return json.dump() + "\n";
}

MetricsFile::MetricsFile(std::string path, std::int64_t lines) : path_(std::move(path)), lines_(lines) {
  write(path_, first_lines(path_, lines), std::ios::trunc);
}

void MetricsFile::append(const EpochMetrics& metrics) {
  write(path_, to_json_line(metrics), std::ios::app);
  ++lines_;
}

}  // namespace weft
