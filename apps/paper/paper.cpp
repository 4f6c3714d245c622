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

void write_tables(const std::string& out, const std::vector<Section>& sections) {
  write_text(out + "/paper.md", to_markdown(sections));
  write_text(out + "/paper.csv", to_csv(sections));
  write_text(out + "/paper.json", to_json(sections));
}

std::string trouble_of(int status) {
  if (status == kBadData) return "its data were not found or are damaged (see above)";
  return cat("the app ended with exit code ", status);
}

/// Enters what is finished.
void read_finished(const Place& place, Section& section) {
  section.forms.clear();
  section.pruned.reset();
  for (const std::vector<Cell>& cells : {cells_of(section.seeds), pruned_cells()})
    for (const Cell& cell : cells)
      if (const std::optional<Outcome> outcome = read_outcome(place, section.benchmark, cell)) enter(section, *outcome);
}

/// Trains what is missing of a section's cells, the table written after each. An app's exit code if that ends it.
int fill(const Place& place, std::vector<Section>& sections, Section& section, const std::vector<Cell>& cells) {
  if (!fitted_epochs(place, section.benchmark)) {
    const int status = fit_epochs(place, section.benchmark);
    if (status != kOk) section.trouble = trouble_of(status);
    if (status != kOk) return status;
  }
  for (const Cell& cell : cells) {
    if (read_outcome(place, section.benchmark, cell)) continue;
    std::printf("\n== %s, %s, %d epochs ==\n", section.benchmark.app.c_str(), cell.name().c_str(),
                fitted_epochs(place, section.benchmark).value_or(0));
    const int status = train(place, section.benchmark, cell);
    if (status == kInterrupted) return status;
    if (status != kOk) {
      section.trouble = trouble_of(status);
      return status;
    }
    read_finished(place, section);
    write_tables(place.out, sections);
  }
  return kOk;
}

/// The table, and then the appendix, of every section whose app works.
int fill_sections(const Place& place, std::vector<Section>& sections) {
  for (Section& section : sections) read_finished(place, section);
  int worst = kOk;
  for (Section& section : sections) {
    const int status = fill(place, sections, section, cells_of(section.seeds));
    if (status == kInterrupted) return status;
    if (status == kOk) section.steps = step_seconds(place, section.benchmark);
    write_tables(place.out, sections);
    worst = std::max(worst, status);
  }
  for (Section& section : sections) {
    if (!section.trouble.empty()) continue;
    const int status = fill(place, sections, section, pruned_cells());
    if (status == kInterrupted) return status;
    worst = std::max(worst, status);
  }
  write_tables(place.out, sections);
  return worst;
}

int fill_all(const Options& options, const Place& place) {
  std::vector<Section> sections;
  for (const Benchmark& b : benchmarks())
    if (options.only.empty() || std::find(options.only.begin(), options.only.end(), b.app) != options.only.end())
      sections.push_back({.benchmark = b, .minutes = place.minutes_of(b), .seeds = options.seeds > 0 ? options.seeds : b.seeds});
  const int status = fill_sections(place, sections);
  if (status == kInterrupted) {
    std::printf("interrupted: call it again to go on\n");
    return status;
  }
  std::printf("\n%s\nwritten to %s/paper.md, paper.csv, paper.json\n", to_markdown(sections).c_str(), place.out.c_str());
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
