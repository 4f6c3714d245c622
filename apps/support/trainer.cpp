#include <weft/apps/support/trainer.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include <weft/apps/support/interrupt.hpp>
#include <weft/apps/support/metrics.hpp>
#include <weft/autograd/tape.hpp>
#include <weft/core/columns.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>
#include <weft/layers/optim/adam.hpp>
#include <weft/layers/optim/clip.hpp>
#include <weft/layers/optim/sgd.hpp>

namespace weft {

namespace {

double scalar(const Var& x) {
  const Tensor& t = x.value();
  return by_float(t.dtype(), [&](auto zero) { return static_cast<double>(*t.data<decltype(zero)>()); });
}

std::unique_ptr<Optimizer> optimizer_of(const RunOptions& o, ParamStore& params) {
  if (o.optimizer == "sgd")
    return std::make_unique<Sgd>(params, SgdOptions{.momentum = 0.9, .weight_decay = o.weight_decay, .nesterov = true});
  return std::make_unique<AdamW>(params, AdamOptions{.weight_decay = o.weight_decay});
}

/// Refuses a checkpoint whose next batches would not be those of its own run.
void check_same_batches(const Position& own, const Position& found, const std::string& path) {
  const auto refuse = [&](const std::string& what, const char* hint) {
    throw ConfigError({.op = "--resume", .path = path, .what = what, .hint = hint});
  };
  constexpr const char* kSame = "resume with the same data and --batch";
  if (found.seed != own.seed) refuse(cat("seed is ", own.seed, ", the checkpoint was made with ", found.seed), "leave --seed away");
  if (found.batch_size != own.batch_size)
    refuse(cat("batch is ", own.batch_size, ", the checkpoint was made with ", found.batch_size), kSame);
  if (found.train_size != own.train_size)
    refuse(cat("the training set has ", own.train_size, " samples, in the checkpoint's run it had ", found.train_size), kSame);
  if (found.fingerprint != own.fingerprint)
    refuse(cat("the training data have the hash ", own.fingerprint, ", in the checkpoint's run they had ", found.fingerprint), kSame);
  if (found.batches != own.batches)
    refuse(cat("an epoch has ", own.batches, " batches, in the checkpoint's run it had ", found.batches), kSame);
}

/// What was read from a checkpoint as rows, in the tiles of the batch that takes it on.
void on_columns_of(const Batch& batch, Carried& carried) {
  for (Tensor& tensor : carried) {
    if (tensor.is_tiled()) continue;
    const Shape whole = tensor.rows();
    const ColumnsPtr columns = sample_columns(whole.back(), batch.x.columns()->lanes == 1 ? Lanes::one : Lanes::sixteen);
    tensor = by_float(tensor.dtype(), [&](auto zero) {
      using T = decltype(zero);
      const std::vector<T> values(tensor.data<T>(), tensor.data<T>() + tensor.element_count());
      return pack_rows(values, whole.without_back(), columns);
    });
  }
}

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count(); }

 private:
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace

struct Trainer::State {
  /// What an evaluation sees of a batch: itself, or itself and its mirror image, their log-probabilities added.
  enum class Views { one, mirrored };

  State(const Model& m, const TrainingData& d, const RunOptions& o, Progress::Style style)
      : model(m),
        data(d),
        options(o),
        optimizer(optimizer_of(o, *m.params)),
        tape(Mode::train, o.seed),
        progress(style, o.epochs, data.train->batches(), o.log_every) {
    if (data.train->batches() == 0)
      throw ConfigError({.op = "options",
                         .path = "batch",
                         .what = cat("batch is ", o.batch, ", the ", data.train_size, " training ", data.samples,
                                     " do not fill one and --drop-last leaves it out"),
                         .hint = "take a smaller --batch, or --no-drop-last"});
    if (o.evaluations > 0 && !data.validation)
      throw ConfigError({.op = "options",
                         .path = "evaluations",
                         .what = cat("evaluations is ", o.evaluations, ", but no validation ", data.samples, " are held out"),
                         .hint = "give --validation 0.1: nothing is chosen by looking at the test set"});
    at.seed = o.seed;
    at.batch_size = o.batch;
    at.train_size = data.train_size;
    at.fingerprint = data.fingerprint;
    at.batches = data.train->batches();
    plan(o.epochs);
  }

  void plan(int epochs);
  double seconds_per_step();

  void prepare();
  void begin();
  void resume(const std::string& path);
  bool train_epoch(const Interrupt& interrupt);
  void step(const Batch& batch);
  Tally evaluate(Batches& batches, std::int64_t samples = INT64_MAX, Views views = Views::one);
  void evaluate_part();
  Tally read_test(int epoch);
  void finish_epoch();
  void say(const std::string& text) {
    if (!options.quiet) progress.line(text);
  }
  void save() { save_checkpoint(checkpoint_path(options), *model.params, *optimizer, at, carried); }
  [[noreturn]] void name_non_finite(const Batch& batch, Carried before, Mode mode, const std::string& seen);

  Model model;
  const TrainingData& data;
  RunOptions options;
  Carried carried;  ///< by the last training batch
  std::unique_ptr<Optimizer> optimizer;
  Tape tape;
  std::int64_t total_steps = 0;
  Schedule lr;
  Progress progress;
  Position at;
  std::optional<MetricsFile> metrics;
  bool prepared = false;
};

Schedule schedule_of(const RunOptions& options, std::int64_t total_steps) {
  if (options.schedule == "constant") return schedules::constant(options.lr);
  if (options.schedule == "step") return schedules::step(options.lr, std::max<std::int64_t>(total_steps / 3, 1), 0.1);
  if (options.schedule == "triangle") return schedules::triangle(options.lr, 0.2);
  if (options.schedule == "one-cycle") return schedules::one_cycle(options.lr, 0.3);
  if (options.schedule == "linear") return schedules::linear_to_zero(options.lr, options.warmup);
  return schedules::cosine(options.lr, options.warmup, 0);
}

void Trainer::State::plan(int epochs) {
  options.epochs = epochs;
  total_steps = epochs * data.train->batches();
  lr = schedule_of(options, total_steps);
  progress.set_epochs(epochs);
}

/// Trains for a few steps, measures them, and puts everything back. The median: machines stall.
double Trainer::State::seconds_per_step() {
  constexpr std::size_t kWarm = 2, kMost = 60;
  constexpr double kEnough = 6;  // seconds
  const Checkpoint start{at, model.params->state(), optimizer->state()};
  data.train->begin(0);
  std::vector<double> seconds;
  const Stopwatch whole;
  Stopwatch watch;
  for (Batch batch; seconds.size() < kWarm + kMost && whole.seconds() < kEnough && data.train->next(batch);) {
    step(batch);
    seconds.push_back(watch.seconds());
    watch = Stopwatch();
  }
  restore(start, *model.params, *optimizer);
  at = start.position;
  carried.clear();
  if (seconds.size() > kWarm) seconds.erase(seconds.begin(), seconds.begin() + kWarm);
  const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), middle, seconds.end());
  return middle == seconds.end() ? 1 : *middle;
}

int epochs_within(double minutes, double seconds_per_epoch) {
  return static_cast<int>(std::clamp(0.95 * 60 * minutes / seconds_per_epoch, 1.0, 100000.0));
}

int Trainer::fit_to_budget() {
  State& s = *state_;
  const int epochs = epochs_within(s.options.budget, s.seconds_per_step() * static_cast<double>(s.at.batches));
  s.say(cat("budget of ", s.options.budget, " minutes: ", epochs, epochs == 1 ? " epoch" : " epochs"));
  s.plan(epochs);
  return epochs;
}

Trainer::Trainer(const Model& model, const TrainingData& data, const RunOptions& options, Progress::Style style)
    : state_(std::make_unique<State>(model, data, options, style)) {}

Trainer::~Trainer() = default;

void Trainer::prepare() {
  if (!state_->prepared) state_->prepare();
}

FitResult Trainer::fit() {
  prepare();
  State& s = *state_;
  const Interrupt interrupt;
  s.begin();
  while (s.at.epoch < s.options.epochs) {
    if (!s.train_epoch(interrupt)) {
      s.save();
      return {.interrupted = true, .position = s.at};
    }
    s.finish_epoch();
  }
  FitResult result{.position = s.at};
  if (s.at.epoch == 0) result.position.test = s.evaluate(*s.data.test);
  s.progress.clear();
  return result;
}

void Trainer::State::prepare() {
  const std::string path = checkpoint_path(options);
  if (options.resume) {
    std::error_code missing;
    if (std::filesystem::exists(path, missing)) resume(path);
    else progress.line(cat("no checkpoint in ", options.out, " yet: starting at the beginning"));
  }
  prepared = true;
}

void Trainer::State::begin() {
  metrics.emplace(options.out + "/metrics.jsonl", at.metrics_lines);
  if (data.validation && options.evaluations > at.batches)
    say(cat("an epoch has ", at.batches, " batches: evaluated ", at.batches, " times, not ", options.evaluations));
  if (at.step() == 0) save();
}

void Trainer::State::resume(const std::string& path) {
  const Checkpoint found = read_checkpoint(path);
  check_same_batches(at, found.position, path);
  check_metrics(options.out + "/metrics.jsonl", found.position.metrics_lines);
  restore(found, *model.params, *optimizer);
  at = found.position;
  carried = found.carried;
  say(cat("resuming after epoch ", at.epoch, ", batch ", at.batch));
}

bool Trainer::State::train_epoch(const Interrupt& interrupt) {
  if (at.batch == 0) carried.clear();
  data.train->begin(at.epoch, at.batch);
  Stopwatch watch;
  double before = at.train.seconds;
  for (Batch batch; data.train->next(batch);) {
    step(batch);
    ++at.batch;
    at.train.samples += batch.x.columns()->count;
    at.train.seconds = before + watch.seconds();
    if (data.validation && at.batch * options.evaluations / at.batches > (at.batch - 1) * options.evaluations / at.batches) {
      evaluate_part();
      before = at.train.seconds, watch = Stopwatch();  // evaluation apart
    }
    progress.step(at.epoch + 1, at.batch, text_of(at.train, data.measure), static_cast<double>(at.train.samples) / at.train.seconds);
    if (interrupt.asked()) return false;
    if (options.checkpoint_every > 0 && at.batch % options.checkpoint_every == 0 && at.batch < at.batches) save();
  }
  return true;
}

void Trainer::State::step(const Batch& batch) {
  tape.reset(at.step(), Mode::train);
  on_columns_of(batch, carried);
  const Carried before = carried;
  const Var prediction = model.net(tape.input(batch.x), carried);
  const Loss loss = model.loss(prediction, batch.targets);
  const Var mean = loss.mean();
  const double sum = scalar(loss.sum);
  add_measure(at.train, data.measure, prediction.value(), batch.targets);
  if (!std::isfinite(sum)) name_non_finite(batch, before, Mode::train, cat("the loss is ", sum));
  const Gradients gradients = tape.backward(mean);
  const double norm = options.clip > 0 ? clip_gradients(*model.params, gradients, options.clip) : gradient_norm(*model.params, gradients);
  if (!std::isfinite(norm)) name_non_finite(batch, before, Mode::train, cat("the gradient's norm is ", norm));
  optimizer->step(gradients, lr(at.step(), total_steps));
  at.train.loss += sum;
  at.train.targets += loss.count;
}

/// One pass, or its beginning, over samples that are not trained on.
Tally Trainer::State::evaluate(Batches& batches, std::int64_t samples, Views views) {
  Tally tally;
  Carried own;
  const Stopwatch watch;
  batches.begin(0);
  for (Batch batch; tally.samples < samples && batches.next(batch);) {
    tape.reset(at.step(), Mode::eval);
    const Carried before = own;
    Var prediction = model.net(tape.input(batch.x), own);
    if (views == Views::mirrored)
      prediction = log_softmax(prediction) + log_softmax(model.net(tape.input(data.mirror(batch.x, tape.pool())), own));
    const Loss loss = model.loss(prediction, batch.targets);
    const double sum = scalar(loss.sum);
    if (!std::isfinite(sum)) name_non_finite(batch, before, Mode::eval, cat("the loss in evaluation is ", sum));
    tally.loss += sum;
    tally.targets += loss.count;
    add_measure(tally, data.measure, prediction.value(), batch.targets);
    tally.samples += batch.x.columns()->count;
  }
  tally.seconds = watch.seconds();
  return tally;
}

void Trainer::State::evaluate_part() {
  const double epochs = static_cast<double>(at.epoch) + static_cast<double>(at.batch) / static_cast<double>(at.batches);
  metrics->append(evaluate(*data.validation, data.part).metrics(epochs, "validation, part", data.measure));
  at.metrics_lines = metrics->lines();
}

/// The test set after an epoch, and after the last also the average over mirror images.
Tally Trainer::State::read_test(int epoch) {
  at.test = evaluate(*data.test);
  metrics->append(at.test.metrics(epoch, "test", data.measure));
  if (data.mirror && epoch == options.epochs) {
    const Tally both = evaluate(*data.test, INT64_MAX, Views::mirrored);
    metrics->append(both.metrics(epoch, "test, flip average", data.measure));
    char text[120];
    std::snprintf(text, sizeof text, "flip average (each test image and its mirror image): accuracy %.2f %%", 100 * both.accuracy());
    say(text);
  }
  return at.test;
}

void Trainer::State::finish_epoch() {
  const int epoch = at.epoch + 1;
  metrics->append(at.train.metrics(epoch, "train", data.measure));
  const Tally tally = data.validation ? evaluate(*data.validation) : read_test(epoch);
  if (data.validation) {
    metrics->append(tally.metrics(epoch, "validation", data.measure));
    if (epoch == options.epochs) read_test(epoch);
  }
  char speed[80];
  std::snprintf(speed, sizeof speed, "   %.1f s, %.0f samples/s", at.train.seconds,
                static_cast<double>(at.train.samples) / std::max(at.train.seconds, 1e-9));
  say(cat("epoch ", epoch, "/", options.epochs, "  train ", text_of(at.train, data.measure), "   ",
          data.validation ? "validation " : "test ", text_of(tally, data.measure), speed));
  at.epoch = epoch;
  at.batch = 0;
  at.train = {};
  at.metrics_lines = metrics->lines();
  save();
}

/// Runs the step again with every op unfused and checked: the first that makes a non-finite value throws.
void Trainer::State::name_non_finite(const Batch& batch, Carried before, Mode mode, const std::string& seen) {
  progress.clear();
  tape.check_finite(true);
  tape.reset(at.step(), mode);
  const Loss loss = model.loss(model.net(tape.input(batch.x), before), batch.targets);
  const Var mean = loss.mean();
  mean.value();
  if (mode == Mode::train) tape.backward(mean);
  throw NumericError({.op = "step", .path = cat(at.step()), .what = seen, .hint = "lower --lr or bound the gradient with --clip"});
}

}  // namespace weft
