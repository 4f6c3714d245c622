#include <weft/apps/paper/cell.hpp>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include <weft/apps/support/exit.hpp>
#include <weft/apps/support/report.hpp>
#include <weft/core/error.hpp>
#include <weft/core/parallel.hpp>
#include <weft/core/text.hpp>
#include <weft/data/program.hpp>

namespace weft::paper {

namespace {

/// Runs a program with this one's output and waits. Ctrl-C is the program's to obey: it saves what it has and ends with 130. If this
/// program is killed, that one is asked to end.
int run_attached(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  std::fflush(nullptr);
  const auto before = std::signal(SIGINT, SIG_IGN);
  const pid_t parent = getpid(), child = fork();
  if (child == 0) {
    std::signal(SIGINT, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == parent) execv(arguments[0], arguments.data());
    _exit(127);
  }
  int status = 0;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  std::signal(SIGINT, before);
  if (child < 0) return 127;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

nlohmann::json read_json(const std::string& path) {
  std::ifstream in(path);
  return nlohmann::json::parse(in, nullptr, false);
}

std::string number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

/// Whether a training with the cell's settings has begun in its folder.
bool has_begun(const Place& place, const Benchmark& benchmark, const Cell& cell) {
  const nlohmann::json config = read_json(place.folder(benchmark, cell) + "/config.json");
  const auto is = [&](const char* name, const nlohmann::json& value) { return config.contains(name) && config[name] == value; };
  return config.is_object() && is("form", cell.form) && is("density", cell.density) && is("seed", cell.seed) &&
         is("epochs", fitted_epochs(place, benchmark).value_or(0)) && is("validation", kValidation) && is("evaluations", kEvaluations) &&
         is("data", place.data) && (benchmark.width == 0 || is("width", benchmark.width));
}

/// The app's call for a cell, less the length of its training.
std::vector<std::string> words_of(const Place& place, const Benchmark& benchmark, const Cell& cell) {
  std::vector<std::string> words{place.programs + "/" + benchmark.app,
                                 "--form",
                                 cell.form,
                                 "--density",
                                 number(cell.density),
                                 "--seed",
                                 cat(cell.seed),
                                 "--validation",
                                 number(kValidation),
                                 "--evaluations",
                                 cat(kEvaluations),
                                 "--out",
                                 place.folder(benchmark, cell)};
  if (!place.data.empty()) words.insert(words.end(), {"--data", place.data});
  if (benchmark.width > 0) words.insert(words.end(), {"--width", cat(benchmark.width)});
  return words;
}

std::string epochs_path(const Place& place, const Benchmark& benchmark) { return cat(place.out, "/", benchmark.app, "/epochs.json"); }

/// The epochs that a dry run prints among its settings; nothing if it printed none.
std::optional<int> printed_epochs(const std::string& output) {
  const std::size_t at = output.find("\n{\n");
  if (at == std::string::npos) return std::nullopt;
  const nlohmann::json json = nlohmann::json::parse(output.substr(at, output.rfind('}') - at + 1), nullptr, false);
  if (!json.is_object() || !json.contains("epochs") || !json["epochs"].is_number_integer()) return std::nullopt;
  return json["epochs"].get<int>();
}

/// Adds what metrics.jsonl holds.
void read_metrics(const std::string& path, Outcome& outcome) {
  const char* const metric = name_of(outcome.metric);
  std::ifstream in(path);
  double seconds = 0;
  int epochs = 0;
  for (std::string line; std::getline(in, line);) {
    const nlohmann::json json = nlohmann::json::parse(line);
    const std::string split = json.at("split");
    if (split == "train") ++epochs, seconds += json.at("seconds").get<double>();
    if (split == "validation, part") outcome.curve.push_back({json.at("epoch"), json.at(metric)});
    if (split == "test, flip average") outcome.flip_average = json.at(metric).get<double>();
  }
  if (epochs != outcome.epochs || outcome.curve.empty())
    throw FormatError({.op = "paper",
                       .path = path,
                       .what = cat("the file holds ", epochs, " of ", outcome.epochs, " epochs and ", outcome.curve.size(), " evaluations"),
                       .hint = "remove the folder; the next call trains this cell anew"});
  outcome.seconds_per_epoch = seconds / std::max(epochs, 1);
}

/// PyTorch's time is that of its better memory format. Nothing where a number is missing.
std::optional<StepSeconds> read_steps(const std::string& path, const Benchmark& benchmark) {
  const nlohmann::json json = read_json(path);
  try {
    for (const nlohmann::json& cell : json.at("cells")) {
      if (cell.at("name") != benchmark.step || cell.at("threads") != threads()) continue;
      StepSeconds seconds{.sparse = cell.at("sparse seconds"),
                          .native = cell.at("native seconds"),
                          .pruned = cell.at("pruned seconds"),
                          .disturbed = cell.at("disturbed") != 0,
                          .pytorch = std::nullopt};
      if (cell.contains("PyTorch contiguous seconds"))
        seconds.pytorch =
            std::min(cell.at("PyTorch contiguous seconds").get<double>(), cell.at("PyTorch channels_last seconds").get<double>());
      return seconds;
    }
  } catch (const nlohmann::json::exception&) {  // damaged: measured again
  }
  return std::nullopt;
}

}  // namespace

std::string Cell::name() const { return cat(form, density < 1 ? cat("-d", std::lround(100 * density)) : "", "-", seed); }

std::optional<Outcome> read_outcome(const Place& place, const Benchmark& benchmark, const Cell& cell) {
  const std::string folder = place.folder(benchmark, cell), path = folder + "/result.json";
  const nlohmann::json json = read_json(path);
  if (!json.is_object() || !has_begun(place, benchmark, cell)) return std::nullopt;
  try {
    Outcome outcome{.cell = cell,
                    .metric = benchmark.metric,
                    .data = json.at("data"),
                    .samples = json.at("samples"),
                    .classes = json.value("classes", 0),
                    .train_size = json.at("train_size"),
                    .validation_size = json.at("validation_size"),
                    .test_size = json.at("test_size"),
                    .value = json.at(cat("test_", name_of(benchmark.metric))),
                    .flip_average = std::nullopt,
                    .epochs = json.at("epochs"),
                    .seconds_per_epoch = 0,
                    .parameters = json.at("parameters"),
                    .nnz = json.at("nnz"),
                    .peak_memory = json.at("peak_memory"),
                    .curve = {}};
    read_metrics(folder + "/metrics.jsonl", outcome);
    return outcome;
  } catch (const nlohmann::json::exception& error) {
    throw FormatError({.op = "paper",
                       .path = folder,
                       .what = cat("result.json or metrics.jsonl is damaged: ", error.what()),
                       .hint = "remove the folder; the next call trains this cell anew"});
  }
}

std::optional<int> fitted_epochs(const Place& place, const Benchmark& benchmark) {
  const nlohmann::json json = read_json(epochs_path(place, benchmark));
  if (!json.is_object() || json.value("minutes", nlohmann::json()) != place.minutes_of(benchmark)) return std::nullopt;
  const nlohmann::json epochs = json.value("epochs", nlohmann::json());
  return epochs.is_number_integer() && epochs >= 1 ? std::optional<int>(epochs) : std::nullopt;
}

int fit_epochs(const Place& place, const Benchmark& benchmark) {
  nlohmann::ordered_json fits{{"minutes", place.minutes_of(benchmark)}};
  int least = INT_MAX;
  for (const char* form : {"sparse", "native", "untied"}) {
    std::vector<std::string> words = words_of(place, benchmark, {.form = form, .density = 1, .seed = kFirstSeed});
    words.insert(words.end(), {"--budget", number(place.minutes_of(benchmark)), "--dry-run"});
    const ProgramResult measured = run_program(words);
    const std::optional<int> epochs = printed_epochs(measured.output);
    if (measured.status != kOk || !epochs) {
      std::fputs(measured.output.c_str(), stderr);
      return measured.status != kOk ? measured.status : kWrongUse;
    }
    fits[form] = *epochs;
    least = std::min(least, *epochs);
  }
  fits["epochs"] = least;
  std::printf("%s: in %g minutes %s\n", benchmark.app.c_str(), place.minutes_of(benchmark), fits.dump().c_str());
  make_folder(cat(place.out, "/", benchmark.app));
  write_text(epochs_path(place, benchmark), fits.dump(1) + "\n");
  return kOk;
}

int train(const Place& place, const Benchmark& benchmark, const Cell& cell) {
  std::vector<std::string> words = words_of(place, benchmark, cell);
  words.insert(words.end(), {"--epochs", cat(fitted_epochs(place, benchmark).value_or(1))});
  if (has_begun(place, benchmark, cell)) words.emplace_back("--resume");
  return run_attached(words);
}

std::optional<StepSeconds> step_seconds(const Place& place, const Benchmark& benchmark) {
  if (benchmark.step.empty()) return std::nullopt;
  const std::string folder = place.out + "/" + benchmark.app, path = folder + "/step.json";
  const char* python = std::getenv("WEFT_PYTHON");
  const std::optional<StepSeconds> found = read_steps(path, benchmark);
  if (found && (found->pytorch || python == nullptr || *python == '\0')) return found;
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  const int status =
      run_attached({place.programs + "/bench", "--filter", cat("^", benchmark.step, "$"), "--threads", cat(threads()), "--json", path});
  if (status == kInterrupted) throw Exit{kInterrupted};
  return status == 0 ? read_steps(path, benchmark) : found;
}

}  // namespace weft::paper
