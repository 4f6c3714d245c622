#include <weft/apps/support/report.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include <weft/core/error.hpp>
#include <weft/core/files/atomic_file.hpp>
#include <weft/core/text.hpp>
#include <weft/data/program.hpp>

namespace weft {

namespace {

constexpr std::int64_t kCells = 256;  // of a picture's side, at most

/// Lines "epoch train_loss held_loss train_metric held_metric", where what is held out is the validation set, else the test set; NaN where
/// one is missing.
std::string curve_data(const std::string& metrics_file, const std::string& metric) {
  struct Point {
    double loss = std::nan(""), metric = std::nan("");
  };
  std::map<double, std::map<std::string, Point>> epochs;
  std::ifstream in(metrics_file);
  for (std::string line; std::getline(in, line);) {
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object()) continue;
    const std::string split = json.value("split", "");
    const auto number = [&](const char* name) {
      return json.contains(name) && json[name].is_number() ? json[name].get<double>() : std::nan("");
    };
    if (split == "train" || split == "test" || split == "validation")
      epochs[number("epoch")][split] = {number("loss"), number(metric.c_str())};
  }
  std::ostringstream text;
  text << cat("# epoch train_loss held_loss train_", metric, " held_", metric, "\n");
  for (auto& [epoch, splits] : epochs) {
    const Point train = splits["train"], held = splits.count("validation") > 0 ? splits["validation"] : splits["test"];
    text << epoch << ' ' << train.loss << ' ' << held.loss << ' ' << train.metric << ' ' << held.metric << '\n';
  }
  return text.str();
}

/// The share of blocks stored in each cell of a picture of the block grid, as a matrix of numbers.
std::string spy_data(const SparsePattern& pattern) {
  const std::int64_t rows = std::min(kCells, pattern.grid_rows()), cols = std::min(kCells, pattern.grid_cols());
  if (rows == 0 || cols == 0) return "0\n";
  std::vector<double> stored(static_cast<std::size_t>(rows * cols));
  for (std::int64_t r = 0; r < pattern.grid_rows(); ++r)
    for (std::int64_t i = pattern.row_ptr()[static_cast<std::size_t>(r)]; i < pattern.row_ptr()[static_cast<std::size_t>(r + 1)]; ++i) {
      const std::int64_t c = pattern.col()[static_cast<std::size_t>(i)];
      stored[static_cast<std::size_t>(r * rows / pattern.grid_rows() * cols + c * cols / pattern.grid_cols())] += 1;
    }
  const double each =
      static_cast<double>(pattern.grid_rows()) * static_cast<double>(pattern.grid_cols()) / static_cast<double>(rows * cols);
  std::ostringstream text;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c)
      text << std::min(1.0, stored[static_cast<std::size_t>(r * cols + c)] / each) << (c + 1 < cols ? ' ' : '\n');
  return text.str();
}

std::string curve_script(const std::string& metric) {
  return cat(
      "set terminal svg size 860,380 background rgb 'white'\n"
      "set output 'curves.svg'\n"
      "set multiplot layout 1,2\n"
      "set xlabel 'epoch'; set grid; set key center right\n"
      "set title 'loss'\n"
      "plot 'curves.dat' using 1:2 with linespoints title 'train', '' using 1:3 with linespoints title 'held out'\n"
      "set title '",
      metric,
      "'\n"
      "plot 'curves.dat' using 1:4 with linespoints title 'train', '' using 1:5 with linespoints title 'held out'\n"
      "unset multiplot\n");
}

std::string spy_script(const std::string& name, const LayerPattern& layer) {
  const SparsePattern& s = *layer.pattern;
  return cat("set terminal svg size 560,600 background rgb 'white'\nset output '", name, ".svg'\n", "set title \"", layer.path, ": ",
             s.rows(), " x ", s.cols(), ", ", s.blocks(), " blocks\" noenhanced\n",
             "set size square; unset key; unset colorbox; unset tics\n"
             "set autoscale xfix; set autoscale yfix; set yrange [] reverse\n"
             "set palette defined (0 '#ffffff', 0.001 '#b0c4de', 1 '#10253f'); set cbrange [0:1]\n",
             "plot '", name, ".dat' matrix with image\n");
}

/// Runs gnuplot on a script in its folder.
ProgramResult gnuplot(const std::string& folder, const std::string& script) {
  std::string quoted;  // gnuplot doubles a quote within quotes
  for (const char c : folder) quoted += c == '\'' ? std::string("''") : std::string(1, c);
  return run_program({"gnuplot", "-e", "cd '" + quoted + "'", script});
}

}  // namespace

void write_text(const std::string& path, const std::string& text) {
  AtomicFile file(path);
  file.write(text.data(), text.size());
  file.commit();
}

void make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error)
    throw ConfigError({.op = "--out",
                       .path = path,
                       .what = cat("the folder cannot be made: ", error.message()),
                       .hint = "name a writable folder with --out"});
  try {
    const AtomicFile probe(path + "/config.json");
  } catch (const FormatError& failure) {
    throw ConfigError({.op = "--out",
                       .path = path,
                       .what = "the folder cannot be written to",
                       .detail = failure.what(),
                       .hint = "name a writable folder with --out"});
  }
}

std::string draw_report(const std::string& out, const std::string& metric, const std::vector<LayerPattern>& layers,
                        std::vector<std::string> scripts) {
  scripts.emplace_back("curves.gp");
  write_text(out + "/curves.dat", curve_data(out + "/metrics.jsonl", metric));
  write_text(out + "/curves.gp", curve_script(metric));
  for (const LayerPattern& layer : layers) {
    std::string name = "spy_" + layer.path;
    std::replace(name.begin(), name.end(), '/', '.');
    write_text(out + "/" + name + ".dat", spy_data(*layer.pattern));
    write_text(out + "/" + name + ".gp", spy_script(name, layer));
    scripts.push_back(name + ".gp");
  }
  for (const std::string& script : scripts) {
    const ProgramResult drawn = gnuplot(out, script);
    if (drawn.status == 127) return cat("gnuplot is not installed: nothing was drawn from ", out, "/*.gp");
    if (drawn.status != 0) return cat("gnuplot could not draw ", out, "/", script, ":\n", drawn.output);
  }
  return "";
}

}  // namespace weft
