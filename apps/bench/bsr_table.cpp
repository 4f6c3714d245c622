// Y = S·X for S [1024, K] of random blocks: floors of the forward product over the whole grid, its two gradients beside it.
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <weft/apps/bench/operands.hpp>
#include <weft/apps/bench/peers/peers.hpp>
#include <weft/apps/bench/tables.hpp>
#include <weft/core/parallel.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/text.hpp>

namespace weft::bench {

namespace {

constexpr std::int64_t kRows = 1024;
constexpr double kFloor = 0.85, kFloorAtTenPercent = 0.80, kWorstOfFloor = 0.9, kFloorOverOneDnn = 1.0;

struct Grid {
  std::vector<int> cols{512, 1024, 2048}, blocks{16, 32, 64}, percents{10, 25, 50, 100};
  std::vector<int> judged{48, 64, 80, 128, 192, 256};  ///< N with floors
  std::vector<int> as_they_are{1, 16, 50, 65};
};

Grid grid_of(const Options& options) {
  if (!options.quick) return {};
  return {.cols = {1024}, .blocks = {16, 32, 64}, .percents = {10, 25, 100}, .judged = {48, 64, 256}, .as_they_are = {1, 50}};
}

/// One matrix of the grid, on every N of a list.
struct Line {
  int cols, block, percent;

  std::string name(Pass pass) const { return cat("bsr/", name_of(pass), "/K", cols, "/b", block, "/d", percent); }
  std::string cell(Pass pass, int n) const { return cat(name(pass), "/N", n); }
  PatternPtr pattern() const {
    if (percent == 100) return patterns::dense(kRows, cols, block);
    return patterns::random_blocks(kRows, cols, block, percent / 100.0, 42);
  }
};

std::vector<Rival> rivals_of(const Line& line, Pass pass, int n) {
  if (line.percent < 100) return {};
  std::vector<Rival> rivals{{"oneDNN", peers::onednn::inner_product(pass, kRows, line.cols, n)}};
  if (pass == Pass::forward) {
    rivals.push_back({"OpenBLAS", peers::openblas::gemm(kRows, n, line.cols), true});
    rivals.push_back({"Eigen", peers::eigen::gemm(kRows, n, line.cols)});
  }
  return rivals;
}

std::map<std::string, Outcome> race_at(Context& context, const Line& line, const PatternPtr& pattern, int n) {
  std::vector<Entry> entries;
  const ProductOperands operands(pattern, n);
  for (const Pass pass : kPasses)
    if (context.wants(line.cell(pass, n)))
      entries.push_back({line.cell(pass, n), operands.flops(), operands.call(pass), rivals_of(line, pass, n)});
  return race(context, entries);
}

/// A row of figures over N, their geometric mean and the least of them; a dash where the filter left one out, "~" if a cell was disturbed.
struct Row {
  std::vector<std::optional<double>> at_n;
  bool disturbed = false;
  std::vector<double> present() const {
    std::vector<double> values;
    for (const std::optional<double>& v : at_n)
      if (v) values.push_back(*v);
    return values;
  }
  double mean() const { return geometric_mean(present()); }
  double worst() const { return percentile(present(), 0); }
  std::string str(Unit unit) const {
    std::string text;
    for (const std::optional<double>& v : at_n) text += right(v ? show(*v, unit) : "-", 8);
    return text + right(show(mean(), unit) + (disturbed ? "~" : ""), 9) + right(show(worst(), unit), 8);
  }
};

std::string judge_line(Context& context, const Line& line, const Row& row) {
  const double floor = line.percent <= 10 ? kFloorAtTenPercent : kFloor;
  const std::string name = cat(line.name(Pass::forward), ", ", team());
  const std::string mean = judge_if_calm(context.results, cat(name, ": mean over N"), row.mean(), floor, Unit::share, row.disturbed);
  if (row.disturbed) return right(show(floor, Unit::share), 7) + "  " + mean;
  const std::string worst = judge_if_calm(context.results, cat(name, ": worst N"), row.worst(), kWorstOfFloor * floor, Unit::share, false);
  return right(show(floor, Unit::share), 7) + "  " + (mean == "PASS" ? worst : mean);
}

/// One printed line a rival: its time / weft's.
void print_ratios(Context& context, const Line& line, Pass pass, const std::vector<int>& ns, bool judged,
                  std::map<std::string, Outcome>& outcomes) {
  for (const char* rival : {"oneDNN", "OpenBLAS", "Eigen"}) {
    Row row;
    std::string lost;
    for (const int n : ns) {
      const auto found = outcomes.find(line.cell(pass, n));
      if (found == outcomes.end() || found->second.ratios.count(rival) == 0) {
        row.at_n.emplace_back();
        continue;
      }
      row.at_n.emplace_back(found->second.ratios[rival]);
      row.disturbed = row.disturbed || found->second.disturbed;
      if (*row.at_n.back() < 1) lost += cat(" N=", n, " ", show(*row.at_n.back(), Unit::ratio));
    }
    if (row.present().empty()) continue;
    std::string text = left(cat("    time of ", rival, " / weft's"), 32) + row.str(Unit::ratio);
    const std::string what = cat(line.name(pass), ", ", team(), ", against ", rival);
    if (judged && pass == Pass::forward && rival == std::string("oneDNN"))
      text += right(show(kFloorOverOneDnn, Unit::ratio), 7) + "  " +
              judge_if_calm(context.results, cat(what, ": mean over N"), row.mean(), kFloorOverOneDnn, Unit::ratio, row.disturbed);
    if (!lost.empty()) context.results.lost(cat(what, ":", lost));
    context.results.line(text);
  }
}

void print_line(Context& context, const Line& line, const std::vector<int>& ns, bool judged, std::map<std::string, Outcome>& outcomes) {
  for (const Pass pass : kPasses) {
    Row row;
    for (const int n : ns) {
      const auto found = outcomes.find(line.cell(pass, n));
      row.at_n.push_back(found == outcomes.end() ? std::nullopt : std::optional(found->second.share));
      row.disturbed = row.disturbed || (found != outcomes.end() && found->second.disturbed);
    }
    if (row.present().empty()) continue;
    std::string text = right(cat(line.cols), 6) + right(cat(line.block), 6) + right(cat(line.percent, " %"), 9) + "  " +
                       left(name_of(pass), 9) + row.str(Unit::share);
    if (judged && pass == Pass::forward) text += judge_line(context, line, row);
    context.results.line(text);
    print_ratios(context, line, pass, ns, judged, outcomes);
  }
}

void print_heading(Context& context, const std::vector<int>& ns, bool judged) {
  context.results.heading(cat("Block-sparse product, S [", kRows, ", K], ", team(), ": share of the FMA probe",
                              judged ? "; floors hold for the mean, 0.9 of them for the worst N" : " at other N, as they are"));
  std::string text = right("K", 6) + right("block", 6) + right("density", 9) + "  " + left("pass", 9);
  for (const int n : ns) text += right(cat("N=", n), 8);
  context.results.line(text + right("mean", 9) + right("worst", 8) + (judged ? right("floor", 7) : ""));
}

void table(Context& context, const Grid& grid, const std::vector<int>& ns, bool judged) {
  bool begun = false;
  for (const int cols : grid.cols)
    for (const int block : grid.blocks)
      for (const int percent : grid.percents) {
        const Line line{cols, block, percent};
        PatternPtr pattern;
        std::map<std::string, Outcome> outcomes;
        for (const int n : ns) {
          bool wanted = false;
          for (const Pass pass : kPasses) wanted = wanted || context.wants(line.cell(pass, n));
          if (!wanted) continue;
          if (pattern == nullptr) pattern = line.pattern();
          outcomes.merge(race_at(context, line, pattern, n));
        }
        if (outcomes.empty()) continue;
        if (!std::exchange(begun, true)) print_heading(context, ns, judged);
        print_line(context, line, ns, judged, outcomes);
      }
}

}  // namespace

void bsr_table(Context& context) {
  const Grid grid = grid_of(context.options);
  table(context, grid, grid.judged, true);
  table(context, grid, grid.as_they_are, false);
}

}  // namespace weft::bench
