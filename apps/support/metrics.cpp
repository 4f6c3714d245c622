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
