#include <weft/apps/support/config.hpp>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/apps/support/flags.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

/// Calls visit(name, member, help) for every option that config.json holds.
template <class Options, class Visit>
void for_each_option(Options& o, Visit&& visit_one) {
  const auto visit = [&](const char* name, auto& value, const char* help) {
    if (std::find(o.lacks.begin(), o.lacks.end(), name) == o.lacks.end()) visit_one(name, value, help);
  };
  visit("epochs", o.epochs, "passes over the training set");
  visit("batch", o.batch, "samples a step");
  visit("drop_last", o.drop_last, "leave out the last, smaller batch of an epoch");
  visit("lr", o.lr, "learning rate at its peak");
  visit("optimizer", o.optimizer, "adamw, or sgd (Nesterov momentum 0.9)");
  visit("schedule", o.schedule,
        "of the learning rate: constant, step (a tenth after each third), linear, cosine (to zero), triangle (up over a fifth, down to "
        "zero) or one-cycle (the same along cosines, up over three tenths)");
  visit("warmup", o.warmup, "steps over which the learning rate rises from zero (linear and cosine)");
  visit("weight_decay", o.weight_decay, "decay of weights: apart from the gradient (adamw) or in it (sgd)");
  visit("label_smoothing", o.label_smoothing, "share of the target that all classes get, in training");
  visit("clip", o.clip, "bound of the gradient's norm; 0: none");
  visit("dropout", o.dropout, "share of hidden units dropped in training");
  visit("shift", o.shift, "random shift of training images, in pixels");
  visit("fill", o.fill, "what a shift brings in: zero or reflect");
  visit("flip", o.flip, "mirror training images at random, and average the last test over both");
  visit("cutout", o.cutout, "side of a square at a random place that each training image loses, as a share of the image's");
  visit("validation", o.validation, "share of the training images held out; the test set is then read once, after the last epoch");
  visit("evaluations", o.evaluations, "times an epoch that a fixed part of the validation images is evaluated");
  visit("budget", o.budget, "minutes of training, evaluation apart, that the number of epochs is fitted to; 0: --epochs");
  if (!o.model.empty())
    visit("model", o.model,
          o.look_back > 0 ? "linear, nlinear, revin, dlinear, lstm, gru or cnn"
          : o.steps > 0   ? "mean, gru or cnn"
                          : "resnet9, resnet12, vgg9 or vgg12");
  if (!o.pattern.empty()) visit("width", o.width, "units of the recurrence");
  else if (o.look_back > 0) visit("width", o.width, "units of lstm and gru, channels of cnn; the other models have none");
  else if (o.steps > 0 && !o.model.empty()) visit("width", o.width, "of a word's vector, and units or channels of gru and cnn");
  else if (!o.model.empty())
    visit("width", o.width, "channels of the first convolution; 0: 24, or 16 where --budget is below 8 minutes or the form is untied");
  if (o.side != 0) visit("side", o.side, "pixels a side that images of your own are resized to");
  if (o.steps != 0) visit("steps", o.steps, "tokens of a text that are read, or of each stream in a batch");
  if (o.steps != 0) visit("word_dropout", o.word_dropout, "share of the words of training texts that become unknown");
  if (!o.set.empty()) visit("set", o.set, "which extract of the data: first1000h, 2014, last840h, mt200, benchmark or uci");
  if (o.look_back != 0) visit("look_back", o.look_back, "steps that a forecast is made from");
  if (o.look_back != 0) visit("horizon", o.horizon, "steps that are forecast");
  if (o.look_back != 0) visit("layers", o.layers, "of lstm, gru and cnn, on top of each other; the other models have none");
  if (!o.pattern.empty()) {
    visit("pattern", o.pattern, "links of the recurrence: lower_bidiagonal (each step takes the last), dilated(K), skip(K)");
    visit("layers", o.layers, "recurrences on top of each other");
    visit("words", o.words, "written after the training, to OUT/text.txt");
  }
  visit("form", o.form, "sparse, native or untied");
  visit("density", o.density, "share of 16x16 blocks kept where an app prunes");
  visit("seed", o.seed, "of every random draw");
  visit("device", o.device, "where to run");
  visit("threads", o.threads, "0: one for each core; results do not depend on it");
  visit("lanes", o.lanes, "columns a tile: auto, 1 or 16");
  visit("data", o.data, "folder of the data set (else WEFT_DATA, the cache, a download, system packages)");
  visit("out", o.out, "folder for all results (else out/<app>)");
  visit("checkpoint_every", o.checkpoint_every, "steps between checkpoints within an epoch; 0: only at its end");
  visit("log_every", o.log_every, "steps between plain progress lines; 0: ten an epoch");
  visit("target", o.target, "condition on the last epoch's test metrics, e.g. 'accuracy>=0.99'; exit 3 if unmet");
}

std::string flag_of(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return "--" + name;
}

std::string file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    throw ConfigError(
        {.op = "--config", .path = path, .what = "the file cannot be read", .hint = "name a JSON file such as a run's config.json"});
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// What the parser is told of a value that it would wrap around.
std::string fits_64_bits(const std::string& text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [read, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && read == end ? "" : cat("is ", text, ", it must be an integer of at least 0 and at most ", UINT64_MAX);
}

/// Flags over `options`. Throws ConfigError for what the parser refuses.
void apply_flags(int argc, const char* const* argv, RunOptions& options) {
  CLI::App app{"Trains one network and leaves its results in a folder."};
  for_each_option(options, [&](const std::string& name, auto& value, const char* help) {
    using T = std::decay_t<decltype(value)>;
    if constexpr (std::is_same_v<T, bool>) {
      app.add_flag(cat(flag_of(name), ",!--no-", flag_of(name).substr(2)), value, help)->default_str(value ? "on" : "off");
    } else {
      CLI::Option* option = app.add_option(flag_of(name), value, help)->capture_default_str();
      if constexpr (std::is_unsigned_v<T>) option->check(fits_64_bits);
    }
  });
  app.get_option("--epochs")->excludes("--budget");
  app.add_option("--config", options.config, "JSON file with any of the above, e.g. a run's config.json; flags win over it");
  app.add_flag("--resume", options.resume, "continue from OUT/last.safetensors");
  app.add_flag("--dry-run", options.dry_run, "show data, network and options, with the epochs that --budget allows; train nothing");
  app.add_flag("-v,--verbose", options.verbose, "say which kernel rows ran");
  app.add_flag("-q,--quiet", options.quiet, "no progress, only results");
  parse_flags(app, argc, argv);
}

void read_value(const nlohmann::json& json, bool& fits, std::string& value) {
  if ((fits = json.is_string())) value = json.get<std::string>();
}
void read_value(const nlohmann::json& json, bool& fits, bool& value) {
  if ((fits = json.is_boolean())) value = json.get<bool>();
}
void read_value(const nlohmann::json& json, bool& fits, double& value) {
  if ((fits = json.is_number())) value = json.get<double>();
}
void read_value(const nlohmann::json& json, bool& fits, std::uint64_t& value) {
  if ((fits = json.is_number_unsigned())) value = json.get<std::uint64_t>();
}
void read_value(const nlohmann::json& json, bool& fits, int& value) {
  if (!(fits = json.is_number_integer())) return;
  const std::int64_t wide = json.get<std::int64_t>();
  if ((fits = wide >= INT32_MIN && wide <= INT32_MAX)) value = static_cast<int>(wide);
}

template <class T>
const char* kind_of() {
  if constexpr (std::is_same_v<T, std::string>) return "a string";
  else if constexpr (std::is_same_v<T, bool>) return "true or false";
  else if constexpr (std::is_same_v<T, double>) return "a number";
  else if constexpr (std::is_same_v<T, std::uint64_t>) return "an integer of at least 0";
  else return "an integer";
}

template <class T>
[[noreturn]] void refuse_value(const char* name, const T& value, const std::string& wanted) {
  throw ConfigError({.op = "options",
                     .path = name,
                     .what = cat(name, " is ", value, ", it must be ", wanted),
                     .hint = cat("see ", flag_of(name), " in --help")});
}

/// The text with what is not UTF-8 replaced.
std::string shown(const std::string& text) {
  const std::string quoted = nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return quoted.substr(1, quoted.size() - 2);
}
bool is_utf8(const std::string& text) {
  const auto strip = [&](nlohmann::json::error_handler_t handler) { return nlohmann::json(text).dump(-1, ' ', false, handler); };
  return strip(nlohmann::json::error_handler_t::replace) == strip(nlohmann::json::error_handler_t::ignore);
}

void check_word(const char* name, const std::string& word, const std::vector<std::string>& words) {
  if (std::find(words.begin(), words.end(), word) != words.end()) return;
  std::string all;
  for (const std::string& w : words) all += (all.empty() ? "" : w == words.back() ? " or " : ", ") + w;
  const std::string known = nearest(word, words);
  throw ConfigError({.op = "options",
                     .path = name,
                     .what = cat(name, " is '", word, "', it must be ", all),
                     .hint = known.empty() ? cat("see ", flag_of(name), " in --help") : cat("did you mean ", known, "?")});
}

}  // namespace

void apply_json(const std::string& text, const std::string& file, RunOptions& options) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object())
    throw ConfigError(
        {.op = "--config", .path = file, .what = "the file is not a JSON object", .hint = "write it as {\"epochs\": 5, \"lr\": 0.001}"});
  std::vector<std::string> names;
  for_each_option(options, [&](const char* name, auto&, const char*) { names.emplace_back(name); });
  for (const auto& item : json.items()) {
    if (std::find(names.begin(), names.end(), item.key()) != names.end()) continue;
    const std::string known = nearest(item.key(), names);
    throw ConfigError(
        {.op = "--config",
         .path = file,
         .what = cat("unknown key \"", item.key(), "\""),
         .hint = known.empty() ? "keys are the flags of --help, spelled with underscores" : cat("did you mean \"", known, "\"?")});
  }
  for_each_option(options, [&](const char* name, auto& value, const char* help) {
    if (!json.contains(name)) return;
    bool fits = false;
    read_value(json[name], fits, value);
    if (!fits)
      throw ConfigError(
          {.op = "--config",
           .path = file,
           .what = cat("key \"", name, "\" is ", json[name].dump(), ", it must be ", kind_of<std::decay_t<decltype(value)>>()),
           .hint = cat(name, ": ", help)});
  });
}

std::string to_json(const RunOptions& options) {
  nlohmann::ordered_json json;
  for_each_option(options, [&](const char* name, const auto& value, const char*) { json[name] = value; });
  return json.dump(2) + "\n";
}

void check(const RunOptions& o) {
  if (o.epochs < 0) refuse_value("epochs", o.epochs, "at least 0");
  if (o.batch < 1) refuse_value("batch", o.batch, "at least 1");
  if (!(o.lr >= 0) || !std::isfinite(o.lr)) refuse_value("lr", o.lr, "finite and at least 0");
  if (o.warmup < 0) refuse_value("warmup", o.warmup, "at least 0");
  if (!(o.weight_decay >= 0) || !std::isfinite(o.weight_decay)) refuse_value("weight_decay", o.weight_decay, "finite and at least 0");
  if (!(o.label_smoothing >= 0 && o.label_smoothing < 1)) refuse_value("label_smoothing", o.label_smoothing, "in [0, 1)");
  if (!(o.validation >= 0 && o.validation < 1)) refuse_value("validation", o.validation, "in [0, 1)");
  if (o.evaluations < 0) refuse_value("evaluations", o.evaluations, "at least 0");
  if (!(o.budget >= 0) || !std::isfinite(o.budget)) refuse_value("budget", o.budget, "finite and at least 0");
  if (!o.pattern.empty() && (o.layers < 1 || o.layers > 16)) refuse_value("layers", o.layers, "in [1, 16]");
  if (!o.pattern.empty() && o.width < 1) refuse_value("width", o.width, "at least 1");
  if (o.steps > 0 && !o.model.empty() && o.width < 1) refuse_value("width", o.width, "at least 1");
  if (o.words < 0 || o.words > 1'000'000) refuse_value("words", o.words, "in [0, 1000000]");
  if (o.width < 0 || o.width > 1024) refuse_value("width", o.width, "in [0, 1024]");
  if (o.side < 0 || o.side > 1024) refuse_value("side", o.side, "in [8, 1024]");
  if (o.steps < 0 || o.steps > 1 << 16) refuse_value("steps", o.steps, "in [1, 65536]");
  if (!(o.word_dropout >= 0 && o.word_dropout < 1)) refuse_value("word_dropout", o.word_dropout, "in [0, 1)");
  if (o.look_back < 0 || o.look_back > 100000) refuse_value("look_back", o.look_back, "in [1, 100000]");
  if (o.horizon < 0 || o.horizon > 100000 || (o.look_back > 0 && o.horizon == 0)) refuse_value("horizon", o.horizon, "in [1, 100000]");
  if (!(o.clip >= 0) || !std::isfinite(o.clip)) refuse_value("clip", o.clip, "finite and at least 0");
  if (!(o.dropout >= 0 && o.dropout < 1)) refuse_value("dropout", o.dropout, "in [0, 1)");
  if (!(o.cutout >= 0 && o.cutout <= 1)) refuse_value("cutout", o.cutout, "in [0, 1]");
  if (o.shift < 0) refuse_value("shift", o.shift, "at least 0");
  if (!(o.density > 0 && o.density <= 1)) refuse_value("density", o.density, "in (0, 1]");
  if (o.threads < 0 || o.threads > 1024) refuse_value("threads", o.threads, "in [0, 1024]");
  if (o.checkpoint_every < 0) refuse_value("checkpoint_every", o.checkpoint_every, "at least 0");
  if (o.log_every < 0) refuse_value("log_every", o.log_every, "at least 0");
  check_word("schedule", o.schedule, {"constant", "step", "linear", "cosine", "triangle", "one-cycle"});
  check_word("optimizer", o.optimizer, {"adamw", "sgd"});
  check_word("fill", o.fill, {"zero", "reflect"});
  check_word("form", o.form, {"sparse", "native", "untied"});
  check_word("lanes", o.lanes, {"auto", "1", "16"});
  for_each_option(o, [](const char* name, const auto& value, const char*) {
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string>)
      if (!is_utf8(value)) refuse_value(name, shown(value), "text in UTF-8, as config.json keeps it");
  });
  if (!o.target.empty()) Target::parse(o.target);
}

namespace {

bool exists(const std::string& out, const std::string& file) {
  std::error_code failure;
  const bool found = std::filesystem::exists(file, failure);
  if (failure)
    throw ConfigError({.op = "--out",
                       .path = out,
                       .what = cat("the folder cannot be looked into: ", failure.message()),
                       .hint = "name the folder of the run to be resumed"});
  return found;
}

/// Reads the config.json that a run left: what is wrong in it is the file's fault, not the user's.
void apply_own_settings(const std::string& file, RunOptions& options) {
  try {
    apply_json(file_text(file), file, options);
    check(options);
  } catch (const ConfigError& error) {
    throw FormatError({.op = "--resume",
                       .path = file,
                       .what = "the run's settings are damaged",
                       .detail = error.what(),
                       .hint = "mend the file, or remove it and give the settings as flags"});
  }
}

/// Refuses what was asked for beyond the app's own values and would do nothing beside the others.
void check_used(const RunOptions& o, const RunOptions& defaults) {
  if (o.warmup > 0 && o.warmup != defaults.warmup && o.schedule != "linear" && o.schedule != "cosine")
    refuse_value("warmup", o.warmup, cat("left away: the schedule '", o.schedule, "' has no warm-up"));
  if (o.fill != defaults.fill && o.shift == 0) refuse_value("fill", o.fill, "left away: without --shift nothing is brought in");
  if (o.look_back == 0) return;
  const bool hidden = defaults.layers > 0;
  const std::string none = cat("left away: the model '", o.model, "' has no hidden units");
  if (hidden ? o.layers < 1 || o.layers > 16 : o.layers != 0) refuse_value("layers", o.layers, hidden ? "in [1, 16]" : none);
  if (hidden ? o.width < 1 : o.width != 0) refuse_value("width", o.width, hidden ? "in [1, 1024]" : none);
  if (!hidden && o.dropout != 0) refuse_value("dropout", o.dropout, none);
}

/// What files and flags say over `defaults`.
RunOptions read_over(int argc, const char* const* argv, const RunOptions& defaults) {
  RunOptions asked = defaults;  // what the flags alone say: which files to read
  if (asked.out.empty()) asked.out = "out/" + std::filesystem::path(argv[0]).filename().string();
  RunOptions options = asked;
  apply_flags(argc, argv, asked);
  const std::string began = asked.out + "/config.json";
  const bool resumes = asked.resume && exists(asked.out, began);
  if (resumes) apply_own_settings(began, options);
  const double own_budget = options.budget;
  if (!asked.config.empty()) apply_json(file_text(asked.config), asked.config, options);
  apply_flags(argc, argv, options);
  check(options);
  if (resumes && options.budget != own_budget)
    throw ConfigError(
        {.op = "--resume",
         .path = "budget",
         .what = cat("budget is ", options.budget, ", the run began with ", own_budget, " and its schedule was made for that"),
         .hint = "leave --budget away; --epochs changes how far it goes"});
  return options;
}

}  // namespace

RunOptions read_options(int argc, const char* const* argv, const RunOptions& defaults) {
  const RunOptions options = read_over(argc, argv, defaults);
  const auto own =
      std::find_if(defaults.models.begin(), defaults.models.end(), [&](const RunOptions& m) { return m.model == options.model; });
  if (own == defaults.models.end()) return check_used(options, defaults), options;
  const RunOptions again = read_over(argc, argv, *own);
  return check_used(again, *own), again;
}

Target Target::parse(const std::string& text) {
  const std::vector<std::string> metrics{"accuracy", "loss", "mse", "mae", "perplexity"};
  const std::size_t at = text.find_first_of("<>=");
  Target target;
  target.metric = text.substr(0, at);
  if (std::find(metrics.begin(), metrics.end(), target.metric) == metrics.end()) {
    const std::string known = nearest(target.metric, metrics);
    throw ConfigError(
        {.op = "--target",
         .path = text,
         .what = cat("unknown metric '", target.metric, "'"),
         .hint = known.empty() ? "the metrics are accuracy, loss, mse, mae and perplexity" : cat("did you mean ", known, "?")});
  }
  const std::size_t number = at == std::string::npos ? text.size() : text.find_first_not_of("<>=", at);
  target.relation = at == std::string::npos ? "" : text.substr(at, number == std::string::npos ? number : number - at);
  const std::vector<std::string> relations{">=", ">", "<=", "<"};
  if (std::find(relations.begin(), relations.end(), target.relation) == relations.end())
    throw ConfigError({.op = "--target",
                       .path = text,
                       .what = cat("relation is '", target.relation, "', it must be >=, >, <= or <"),
                       .hint = "write 'accuracy>=0.99'"});
  std::istringstream in(number == std::string::npos ? "" : text.substr(number));
  if (!(in >> target.value) || in.peek() != std::char_traits<char>::eof())
    throw ConfigError({.op = "--target", .path = text, .what = cat("'", in.str(), "' is no number"), .hint = "write 'accuracy>=0.99'"});
  return target;
}

bool Target::met_by(double measured) const {
  if (relation == ">=") return measured >= value;
  if (relation == ">") return measured > value;
  if (relation == "<=") return measured <= value;
  return measured < value;
}

}  // namespace weft
