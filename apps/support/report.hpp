#pragma once

#include <string>
#include <vector>

#include <weft/core/sparse_pattern.hpp>

namespace weft {

/// The matrix of one layer, for a picture.
struct LayerPattern {
  std::string path;
  PatternPtr pattern;
};

/// Writes a text file whole or not at all. Throws FormatError if the disk refuses.
void write_text(const std::string& path, const std::string& text);

/// Makes the folder and its parents. Throws ConfigError with the system's reason if it cannot be made or written to.
void make_folder(const std::string& path);

/// Leaves data and a gnuplot script for the curves of loss and `metric` in OUT/metrics.jsonl (curves.dat, curves.gp) and for each layer's
/// matrix (spy_<layer>.dat, spy_<layer>.gp), and draws them and the other `scripts` there as .svg if gnuplot is there. Returns a line to
/// print where it is not; else "".
std::string draw_report(const std::string& out, const std::string& metric, const std::vector<LayerPattern>& layers,
                        std::vector<std::string> scripts = {});

}  // namespace weft
