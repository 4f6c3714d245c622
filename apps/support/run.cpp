#include <weft/apps/support/run.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <utility>

#include <weft/autograd/tape.hpp>
#include <weft/core/error.hpp>
#include <weft/core/log.hpp>
#include <weft/core/parallel.hpp>
#include <weft/core/text.hpp>
#include <weft/data/locate.hpp>
#include <weft/data/series_sets.hpp>
#include <weft/kernels/kernel_table.hpp>
#include <weft/layers/layer_call.hpp>

namespace weft {

namespace {

#ifdef __clang__
constexpr const char* kCompiler = __VERSION__;
#else
constexpr const char* kCompiler = "g++ " __VERSION__;
#endif

/// Prints each remark of the library once: kernel choices repeat at every step.
void log_to_stderr() {
  set_log([said = std::make_shared<std::set<std::string>>(), lock = std::make_shared<std::mutex>()](const std::string& message) {
    const std::lock_guard<std::mutex> guard(*lock);
    if (said->insert(message).second) std::fprintf(stderr, "%s\n", message.c_str());
  });
}

/// Whether an earlier run left a checkpoint or metrics.
bool holds_run(const RunOptions& options) {
  std::error_code missing;
  if (std::filesystem::exists(Trainer::checkpoint_path(options), missing)) return true;
  const std::uintmax_t size = std::filesystem::file_size(options.out + "/metrics.jsonl", missing);
  return !missing && size > 0;
}

/// Keeps what an earlier run left under other names, and says so. What holds_run looks for goes first and last: a kill in between
/// leaves the rest to the next start.
void set_aside(const std::string& out) {
  std::string renamed;
  for (const auto& [name, other] :
       {std::pair{"last.safetensors", "previous.safetensors"}, std::pair{"config.json", "previous.config.json"},
        std::pair{"result.json", "previous.result.json"}, std::pair{"vocabulary.txt", "previous.vocabulary.txt"},
        std::pair{"metrics.jsonl", "previous.metrics.jsonl"}}) {
    std::error_code failure;
    std::filesystem::rename(cat(out, "/", name), cat(out, "/", other), failure);
    if (failure == std::errc::no_such_file_or_directory) continue;
    if (failure)
      throw FormatError({.op = "--out",
                         .path = cat(out, "/", name),
                         .what = cat("the file cannot be renamed to ", other, ": ", failure.message()),
                         .hint = "move it away, or name another folder with --out"});
    renamed += cat(renamed.empty() ? "" : ", ", other);
  }
  std::printf("starting anew: of the earlier run %s now holds %s\n", out.c_str(), renamed.c_str());
  std::fflush(stdout);
}

std::string text_of(const Summary& summary, const std::string& form) {
  char share[64];
  std::snprintf(share, sizeof share, "%.2f", 100 * summary.total.dense_fraction);
  return cat(summary.str(), "\n", form, " form, ", summary.total.parameters, " parameters; the matrices store ", share,
             " % of their dense equivalents\n");
}

/// Bytes; 0 where the system does not tell.
std::int64_t peak_memory() {
  rusage usage{};
  return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss * 1024 : 0;
}

/// Throws ConfigError for a target on what this run does not measure.
void check_measured(const Target& target, Measure measure) {
  std::vector<std::string> metrics = metrics_of(measure);
  metrics.emplace_back("loss");
  if (std::find(metrics.begin(), metrics.end(), target.metric) == metrics.end())
    throw ConfigError({.op = "--target",
                       .path = target.metric,
                       .what = cat("this run does not measure ", target.metric),
                       .hint = cat("it measures ", joined(metrics))});
}

Predict predict_by(const Model& model) {
  return [&model](const Tensor& x) {
    Tape tape(Mode::eval);
    Carried carried;
    return model.net(tape.input(x), carried).value().clone();
  };
}

/// The matrix of every layer that one pass over a single sample calls, each once.
std::vector<LayerPattern> layer_patterns(const Model& model, const TrainingData& data) {
  std::vector<LayerPattern> found;
  std::set<std::string> seen;
  const LayerCall::Listening listening([&](const LayerInfo& info, const Shape&) {
    if (info.pattern && seen.insert(info.path).second) found.push_back({info.path, info.pattern});
  });
  Tape tape(Mode::eval);
  const Dtype dtype = data.dtype == Dtype::i32 ? Dtype::i32 : model.params->dtype();
  Tensor x = Tensor::tiled(dtype, data.input, sample_columns(1));
  x.fill(0);
  Carried carried;
  model.net(tape.input(x), carried).value();
  return found;
}

[[noreturn]] void refuse_validation(double share, std::int64_t samples, const char* what) {
  throw ConfigError({.op = "options",
                     .path = "validation",
                     .what = cat("validation is ", share, ", which holds out none of ", samples, " ", what),
                     .hint = "0.1 is usual"});
}

}  // namespace

Run::Run(int argc, const char* const* argv, const RunOptions& defaults)
    : options_(read_options(argc, argv, defaults)), device_(Device::parse(options_.device)), form_(parse_form(options_.form)) {
  if (options_.threads > 0) set_threads(options_.threads);
  if (options_.verbose) log_to_stderr();
  say(cat("weft ", WEFT_VERSION, ", ", kCompiler, ", ", device_.str(), ", ", threads(), threads() == 1 ? " thread" : " threads",
          ", kernels ", kernels::isa_name(), ", seed ", options_.seed));
}

void Run::say(const std::string& text) const {
  if (options_.quiet) return;
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}

ImageData Run::images() const {
  std::vector<std::string> remarks;
  return found(find_images(data_places(options_.data), remarks), remarks);
}

ImageData Run::images(CifarKind kind) const {
  std::vector<std::string> remarks;
  return found(find_cifar(kind, data_places(options_.data), remarks), remarks);
}

ImageData Run::images(TinyImageNet) const {
  std::vector<std::string> remarks;
  ImageData data = find_tiny_imagenet(options_.side, data_places(options_.data), remarks);
  if (const int side = data.train.lattice.h; side != options_.side)
    throw ConfigError({.op = "options",
                       .path = "side",
                       .what = cat("side is ", options_.side, ", but the images of ", data.name, " are ", side, "x", side),
                       .hint = "--side is for images of your own; leave it away"});
  return found(std::move(data), remarks);
}

SeriesData Run::etth1() const {
  std::vector<std::string> remarks;
  return found(find_etth1(data_places(options_.data), remarks), remarks);
}

SeriesData Run::electricity() const {
  std::vector<std::string> remarks;
  return found(find_electricity(options_.set, data_places(options_.data), remarks), remarks);
}

SeriesData Run::found(SeriesData data, const std::vector<std::string>& remarks) const {
  for (const std::string& remark : remarks) say(remark);
  say(cat("data: ", data.name, " from ", data.source, ", ", data.series.steps, " steps of ", data.series.count(), " series; ",
          data.split.train, " train, ", data.split.validation, " validate, ", data.split.test, " test"));
  return data;
}

ImageData Run::found(ImageData data, const std::vector<std::string>& remarks) const {
  for (const std::string& remark : remarks) say(remark);
  say(cat("data: ", data.name, " from ", data.source, ", ", data.train.size, " training and ", data.test.size, " test images of ",
          data.train.lattice.shape().str(), ", ", data.train.classes, " classes"));
  if (data.validation.size > 0) {
    if (options_.validation > 0)
      throw ConfigError({.op = "options",
                         .path = "validation",
                         .what = cat("validation is ", options_.validation, ", but the data have ", data.validation.size,
                                     " images for validation of their own, val/"),
                         .hint = "leave --validation away, or move val/ out of the folder"});
    say(cat("for validation: the ", data.validation.size, " images of val/"));
  }
  if (options_.validation == 0) return data;
  data.validation = hold_out(data.train, options_.validation);
  if (data.validation.size == 0) refuse_validation(options_.validation, data.train.size, "images");
  say(cat("held out for validation: ", data.validation.size, " training images, ", data.train.size, " are left"));
  return data;
}

TextData Run::texts(const AgNewsOptions& options) const {
  std::vector<std::string> remarks;
  TextData data = find_ag_news(options, data_places(options_.data), remarks);
  for (const std::string& remark : remarks) say(remark);
  say(cat("data: ", data.name, " from ", data.source, ", ", data.train.size(), " training and ", data.test.size(), " test texts, ",
          data.vocabulary.size(), " words, ", data.classes.size(), " classes"));
  data.validation = hold_out(data.train, options_.validation);
  if (options_.validation > 0 && data.validation.size() == 0) refuse_validation(options_.validation, data.train.size(), "texts");
  if (options_.validation > 0)
    say(cat("held out for validation: the last ", data.validation.size(), " training texts, ", data.train.size(), " are left"));
  return data;
}

TokenData Run::tokens(TokenSet set) const {
  std::vector<std::string> remarks;
  TokenData data = find_tokens(set, data_places(options_.data), remarks);
  for (const std::string& remark : remarks) say(remark);
  say(cat("data: ", data.name, " from ", data.source, ", ", data.train.size(), " training, ", data.valid.size(), " validation and ",
          data.test.size(), " test tokens, ", data.vocabulary.size(), " words"));
  return data;
}

void Run::show(const Summary& summary) {
  summary_ = summary;
  say(text_of(summary, options_.form));
}

void Run::leave(const std::string& name, const std::string& text) const {
  if (options_.dry_run) return;
  say(text);
  write_text(options_.out + "/" + name, text);
}

int Run::fit_model(const Model& model, const TrainingData& data) {
  if (!options_.target.empty()) check_measured(Target::parse(options_.target), data.measure);
  Trainer trainer(model, data, options_, Progress::style_for(options_.quiet));
  if (options_.dry_run) {
    if (options_.budget > 0) options_.epochs = trainer.fit_to_budget();
    say(to_json(options_));
    return kOk;
  }
  Baselines baselines;
  for (const auto& [name, measure] : data.baselines) {
    baselines.push_back({name, measure()});
    say(cat("baseline on the test ", data.samples, ": ", name, text_of(baselines.back().second, data.measure)));
  }
  const std::string& out = options_.out;
  make_folder(out);
  trainer.prepare();  // a checkpoint that is refused leaves the run's own settings as they are
  std::error_code missing;
  const bool begins = !options_.resume || !std::filesystem::exists(Trainer::checkpoint_path(options_), missing);
  if (begins && holds_run(options_)) set_aside(out);
  if (begins && options_.budget > 0) options_.epochs = trainer.fit_to_budget();
  write_text(out + "/config.json", to_json(options_));
  write_text(out + "/summary.txt", text_of(summary_, options_.form));
  if (data.vocabulary.size() > 0) data.vocabulary.save(out + "/vocabulary.txt");
  std::filesystem::remove(out + "/result.json", missing);  // it says what a finished run measured
  const FitResult result = trainer.fit();
  if (!result.interrupted) write_text(out + "/result.json", result_json(data, baselines, result.position));
  std::vector<std::string> scripts;
  if (data.illustrate) scripts.push_back(data.illustrate(predict_by(model), out));
  const std::string remark = draw_report(out, metrics_of(data.measure).front(), layer_patterns(model, data), scripts);
  if (!remark.empty()) say(remark);
  return judge(result, data.measure);
}

std::string Run::result_json(const TrainingData& data, const Baselines& baselines, const Position& at) const {
  nlohmann::ordered_json json{{"data", data.name},
                              {"samples", data.samples},
                              {"classes", data.classes},
                              {"train_size", data.train_size},
                              {"validation_size", data.validation_size},
                              {"test_size", data.test_size},
                              {"epochs", at.epoch},
                              {"steps", at.step()},
                              {"test_loss", at.test.mean_loss()}};
  for (const auto& [name, value] : at.test.measured(data.measure)) json["test_" + name] = value;
  for (const auto& [name, measured] : baselines)
    for (const auto& [metric, value] : measured) json["baselines"][name][metric] = value;
  json["parameters"] = summary_.total.parameters;
  json["nnz"] = summary_.total.nnz;
  json["peak_memory"] = peak_memory();
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";  // a folder's name may be any bytes
}

int Run::judge(const FitResult& result, Measure measure) const {
  const Position& at = result.position;
  if (result.interrupted) {
    std::printf("interrupted in epoch %d: continue with --resume --out %s\n", at.epoch + 1, options_.out.c_str());
    return kInterrupted;
  }
  std::printf("test %s after epoch %d; results in %s\n", text_of(at.test, measure).c_str(), at.epoch, options_.out.c_str());
  if (options_.target.empty()) return kOk;
  const Target target = Target::parse(options_.target);
  const double measured = value_of(target.metric, at.test, measure);
  if (target.met_by(measured)) return kOk;
  std::fflush(stdout);
  std::fprintf(stderr, "target missed: %s, but the last epoch's %s is %.6g\n", options_.target.c_str(), target.metric.c_str(), measured);
  return kTargetMissed;
}

}  // namespace weft
