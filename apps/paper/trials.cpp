#include <weft/apps/paper/trials.hpp>

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

/// None in what is no object.
Settings settings_in(const nlohmann::json& json) {
  Settings settings;
  if (json.is_object())
    for (const auto& [name, value] : json.items()) settings[name] = value.dump();
  return settings;
}

/// The settings that a dry run prints last.
Settings printed_settings(const std::string& output) {
  const std::size_t at = output.find("\n{\n");
  if (at == std::string::npos) return {};
  return settings_in(nlohmann::json::parse(output.substr(at, output.rfind('}') - at + 1), nullptr, false));
}

}  // namespace

std::string Cell::name() const { return cat(form, density < 1 ? cat("-d", std::lround(100 * density)) : "", "-", seed); }

Trials::Trials(Place place, Benchmark benchmark) : place_(std::move(place)), benchmark_(std::move(benchmark)) {}

int Trials::ask() {
  std::vector<std::string> words{place_.programs + "/" + benchmark_.app, "--dry-run"};
  if (!place_.data.empty()) words.insert(words.end(), {"--data", place_.data});
  const ProgramResult said = run_program(words);
  settings_ = printed_settings(said.output);
  if (said.status == kOk && !settings_.empty()) return kOk;
  std::fputs(said.output.c_str(), stderr);
  return said.status != kOk ? said.status : kWrongUse;
}

/// What a training of the cell writes to its config.json.
Settings Trials::settings_of(const Cell& cell) const {
  Settings settings = settings_;
  const auto set = [&](const char* name, const nlohmann::json& value) {
    if (settings.count(name) > 0) settings[name] = value.dump();
  };
  set("form", cell.form);
  set("density", cell.density);
  set("seed", cell.seed);
  set("validation", kValidation);
  set("evaluations", kEvaluations);
  set("epochs", epochs().value_or(0));
  set("out", path(cell.name()));
  if (benchmark_.width > 0) set("width", benchmark_.width);
  return settings;
}

/// The app's call for a cell, less the length of its training.
std::vector<std::string> Trials::words_of(const Cell& cell) const {
  std::vector<std::string> words{place_.programs + "/" + benchmark_.app};
  const auto add = [&](const char* name, const std::string& value) {
    if (settings_.count(name) > 0) words.insert(words.end(), {cat("--", name), value});
  };
  add("form", cell.form);
  add("density", number(cell.density));
  add("seed", cat(cell.seed));
  add("validation", number(kValidation));
  add("evaluations", cat(kEvaluations));
  add("out", path(cell.name()));
  if (benchmark_.width > 0) add("width", cat(benchmark_.width));
  if (!place_.data.empty()) add("data", place_.data);
  return words;
}

bool Trials::has_begun(const Cell& cell) const {
  return !settings_.empty() && settings_in(read_json(path(cell.name() + "/config.json"))) == settings_of(cell);
}

/// Adds what metrics.jsonl holds.
void Trials::read_metrics(const std::string& path, Outcome& outcome) {
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
std::optional<StepSeconds> Trials::read_steps(const std::string& path) const {
  const nlohmann::json json = read_json(path);
  try {
    for (const nlohmann::json& cell : json.at("cells")) {
      if (cell.at("name") != benchmark_.step || cell.at("threads") != threads()) continue;
      StepSeconds seconds{.sparse = cell.at("sparse seconds"),
                          .native = cell.at("native seconds"),
                          .pruned = cell.at("pruned seconds"),
                          .disturbed = cell.at("disturbed") != 0,
                          .pytorch = std::nullopt};
      for (const char* format : {"PyTorch contiguous seconds", "PyTorch channels_last seconds"})
        if (cell.contains(format)) seconds.pytorch = std::min(seconds.pytorch.value_or(INFINITY), cell.at(format).get<double>());
      return seconds;
    }
  } catch (const nlohmann::json::exception&) {  // damaged: measured again
  }
  return std::nullopt;
}

std::optional<Outcome> Trials::read(const Cell& cell) const {
  const std::string folder = path(cell.name());
  const nlohmann::json json = read_json(folder + "/result.json");
  if (!json.is_object() || !has_begun(cell)) return std::nullopt;
  try {
    Outcome outcome{.cell = cell,
                    .metric = benchmark_.metric,
                    .data = json.at("data"),
                    .samples = json.at("samples"),
                    .classes = json.value("classes", 0),
                    .train_size = json.at("train_size"),
                    .validation_size = json.at("validation_size"),
                    .test_size = json.at("test_size"),
                    .value = json.at(cat("test_", name_of(benchmark_.metric))),
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

std::optional<int> Trials::epochs() const {
  const nlohmann::json json = read_json(path("epochs.json"));
  if (!json.is_object() || json.value("minutes", nlohmann::json()) != minutes() ||
      settings_in(json.value("settings", nlohmann::json())) != settings_)
    return std::nullopt;
  const nlohmann::json epochs = json.value("epochs", nlohmann::json());
  return epochs.is_number_integer() && epochs >= 1 ? std::optional<int>(epochs) : std::nullopt;
}

int Trials::fit_epochs() const {
  nlohmann::ordered_json fits{{"minutes", minutes()}};
  int least = benchmark_.most_epochs > 0 ? benchmark_.most_epochs : INT_MAX;
  for (const char* form : {"sparse", "native", "untied"}) {
    std::vector<std::string> words = words_of({.form = form, .density = 1, .seed = kFirstSeed});
    words.insert(words.end(), {"--budget", number(minutes()), "--dry-run"});
    const ProgramResult measured = run_program(words);
    const Settings printed = printed_settings(measured.output);
    if (measured.status != kOk || printed.count("epochs") == 0) {
      std::fputs(measured.output.c_str(), stderr);
      return measured.status != kOk ? measured.status : kWrongUse;
    }
    const int epochs = std::stoi(printed.at("epochs"));
    fits[form] = epochs;
    least = std::min(least, epochs);
  }
  fits["epochs"] = least;
  std::printf("%s: in %g minutes %s\n", benchmark_.app.c_str(), minutes(), fits.dump().c_str());
  for (const auto& [name, value] : settings_) fits["settings"][name] = nlohmann::json::parse(value);
  make_folder(path(""));
  write_text(path("epochs.json"), fits.dump(1) + "\n");
  return kOk;
}

int Trials::train(const Cell& cell) const {
  std::vector<std::string> words = words_of(cell);
  words.insert(words.end(), {"--epochs", cat(epochs().value_or(1))});
  if (has_begun(cell)) words.emplace_back("--resume");
  return run_attached(words);
}

std::optional<StepSeconds> Trials::step_seconds() const {
  if (benchmark_.step.empty()) return std::nullopt;
  const std::string file = path("step.json");
  const char* python = std::getenv("WEFT_PYTHON");
  const std::optional<StepSeconds> found = read_steps(file);
  if (found && (found->pytorch || python == nullptr || *python == '\0')) return found;
  std::error_code ignored;
  std::filesystem::create_directories(path(""), ignored);
  const int status =
      run_attached({place_.programs + "/bench", "--filter", cat("^", benchmark_.step, "$"), "--threads", cat(threads()), "--json", file});
  if (status == kInterrupted) throw Exit{kInterrupted};
  return status == 0 ? read_steps(file) : found;
}

}  // namespace weft::paper
