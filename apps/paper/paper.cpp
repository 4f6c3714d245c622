// Fills the table of the experiment of arXiv 2506.01966, sparse beside native and untied networks on each benchmark: ./run paper
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <weft/apps/paper/table.hpp>
#include <weft/apps/support/exit.hpp>
#include <weft/apps/support/flags.hpp>
#include <weft/apps/support/report.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

using namespace weft;
using namespace weft::paper;

namespace {

struct Options {
  double minutes = 0;
  int seeds = 0;
  std::vector<std::string> only;
  std::string out = "out/paper", data;
};

void check(const Options& o) {
  std::vector<std::string> names;
  for (const Benchmark& b : benchmarks()) names.push_back(b.app);
  for (const std::string& name : o.only)
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      const std::string known = nearest(name, names);
      throw ConfigError({.op = "flags",
                         .path = "--only",
                         .what = cat("there is no benchmark '", name, "'"),
                         .hint = known.empty() ? cat("choose of ", joined(names)) : cat("did you mean ", known, "?")});
    }
  if (!(o.minutes >= 0 && o.minutes <= 1e4))
    throw ConfigError({.op = "flags", .path = "--budget", .what = cat("the budget is ", o.minutes), .hint = "give minutes above 0"});
  if (o.seeds < 0 || o.seeds > 10)
    throw ConfigError({.op = "flags", .path = "--seeds", .what = cat(o.seeds, " seeds asked for"), .hint = "give 1 to 10"});
}

Options read_options(int argc, const char* const* argv) {
  Options o;
  CLI::App app{
      "Trains each benchmark in its sparse, native and untied form, and pruned, and writes the table to OUT/paper.md, .csv and .json.\n"
      "What is finished is kept: call it again after an interruption and it goes on."};
  app.add_option("--budget", o.minutes, "minutes of training for each form and seed; 0: each benchmark's own")->capture_default_str();
  app.add_option("--only", o.only, "benchmarks to train, e.g. mnist,cifar10 (else all)")->delimiter(',');
  app.add_option("--seeds", o.seeds, "trainings of each form; 0: each benchmark's own number")->capture_default_str();
  app.add_option("--data", o.data, "folder of the data sets (else WEFT_DATA, the cache)");
  app.add_option("--out", o.out, "folder for all results")->capture_default_str();
  parse_flags(app, argc, argv);
  check(o);
  return o;
}

/// Seed by seed, so that whatever is finished can be compared.
std::vector<Cell> cells_of(int seeds) {
  std::vector<Cell> cells;
  for (int seed = kFirstSeed; seed < kFirstSeed + seeds; ++seed)
    for (const char* form : {"native", "sparse", "untied"}) cells.push_back({.form = form, .density = 1, .seed = seed});
  return cells;
}

/// The appendix.
std::vector<Cell> pruned_cells() { return {{.form = "sparse", .density = kPruned, .seed = kFirstSeed}}; }

/// Puts an outcome where it belongs.
void enter(Section& section, const Outcome& outcome) {
  if (outcome.cell.density < 1) section.pruned = outcome;
  else section.forms[outcome.cell.form].push_back(outcome);
}

/// A row of the table and the trainings that fill it.
struct Row {
  Trials trials;
  Section section;
  int status = kOk;  ///< the app's exit code that ended it

  void end(int code) {
    status = code;
    section.trouble = code == kBadData ? "its data were not found or are damaged (see above)" : cat("the app ended with exit code ", code);
  }

  /// Enters what is finished.
  void read_finished() {
    section.forms.clear();
    section.pruned.reset();
    for (const std::vector<Cell>& cells : {cells_of(section.seeds), pruned_cells()})
      for (const Cell& cell : cells)
        if (const std::optional<Outcome> outcome = trials.read(cell)) enter(section, *outcome);
  }
};

class Table {
 public:
  Table(std::vector<Row> rows, std::string out) : rows_(std::move(rows)), out_(std::move(out)) {}

  /// The table, and then the appendix, of every row whose app works. The worst of the apps' exit codes, kInterrupted at once.
  int fill() {
    for (Row& row : rows_) {
      if (const int status = row.trials.ask(); status != kOk) row.end(status);
      row.read_finished();
    }
    for (Row& row : rows_) {
      if (fill(row, cells_of(row.section.seeds)) == kInterrupted) return kInterrupted;
      if (row.status == kOk) row.section.steps = row.trials.step_seconds();
      write();
    }
    int worst = kOk;
    for (Row& row : rows_) {
      if (row.trials.prunes() && fill(row, pruned_cells()) == kInterrupted) return kInterrupted;
      worst = std::max(worst, row.status);
    }
    write();
    return worst;
  }

  std::string markdown() const { return to_markdown(sections()); }

 private:
  /// Trains what is missing of a row's cells, the table written after each. The app's exit code, now or earlier.
  int fill(Row& row, const std::vector<Cell>& cells) {
    if (row.status == kOk && !row.trials.epochs())
      if (const int status = row.trials.fit_epochs(); status != kOk) row.end(status);
    for (const Cell& cell : cells) {
      if (row.status != kOk) break;
      if (row.trials.read(cell)) continue;
      std::printf("\n== %s, %s, %d epochs ==\n", row.section.benchmark.app.c_str(), cell.name().c_str(), row.trials.epochs().value_or(0));
      if (const int status = row.trials.train(cell); status != kOk) row.end(status);
      row.read_finished();
      write();
    }
    return row.status;
  }

  std::vector<Section> sections() const {
    std::vector<Section> all;
    for (const Row& row : rows_) all.push_back(row.section);
    return all;
  }

  void write() const {
    const std::vector<Section> all = sections();
    write_text(out_ + "/paper.md", to_markdown(all));
    write_text(out_ + "/paper.csv", to_csv(all));
    write_text(out_ + "/paper.json", to_json(all));
  }

  std::vector<Row> rows_;
  std::string out_;
};

int fill_all(const Options& options, const Place& place) {
  std::vector<Row> rows;
  for (const Benchmark& b : benchmarks()) {
    if (!options.only.empty() && std::find(options.only.begin(), options.only.end(), b.app) == options.only.end()) continue;
    const Trials trials(place, b);
    rows.push_back({trials, {.benchmark = b, .minutes = trials.minutes(), .seeds = options.seeds > 0 ? options.seeds : b.seeds}});
  }
  Table table(std::move(rows), place.out);
  const int status = table.fill();
  if (status == kInterrupted) {
    std::printf("interrupted: call it again to go on\n");
    return status;
  }
  std::printf("\n%s\nwritten to %s/paper.md, paper.csv, paper.json\n", table.markdown().c_str(), place.out.c_str());
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  return guarded([&] {
    const Options options = ::read_options(argc, argv);
    make_folder(options.out);
    const std::string programs = std::filesystem::canonical("/proc/self/exe").parent_path();
    return fill_all(options, {.programs = programs, .out = options.out, .data = options.data, .minutes = options.minutes});
  });
}
