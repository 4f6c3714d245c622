#include <weft/apps/support/trainer.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include <weft/apps/support/interrupt.hpp>
#include <weft/apps/support/metrics.hpp>
#include <weft/autograd/tape.hpp>
#include <weft/core/error.hpp>
#include <weft/core/random.hpp>
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

/// Images [h, w, c, N] with left and right exchanged.
Tensor mirrored(const Tensor& x, const Pool& pool) {
  const std::int64_t h = x.rows()[0], w = x.rows()[1],
                     bytes = x.rows()[2] * x.columns()->lanes * static_cast<std::int64_t>(size_of(x.dtype()));
  const std::int64_t tile_bytes = x.tile_stride() * static_cast<std::int64_t>(size_of(x.dtype()));
  const Tensor out = Tensor::tiled(x.dtype(), x.rows(), x.columns(), pool);
  for (std::int64_t tile = 0; tile < x.columns()->tiles(); ++tile)
    for (std::int64_t pixel = 0; pixel < h * w; ++pixel) {
      const std::int64_t other = pixel / w * w + (w - 1 - pixel % w);
      std::memcpy(out.bytes() + tile * tile_bytes + pixel * bytes, x.bytes() + tile * tile_bytes + other * bytes,
                  static_cast<std::size_t>(bytes));
    }
  return out;
}

std::uint64_t hash_of(const std::vector<std::int32_t>& labels) {
  return hash_name({reinterpret_cast<const char*>(labels.data()), labels.size() * sizeof(std::int32_t)});
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
  if (found.train_labels != own.train_labels)
    refuse(cat("the training labels have the hash ", own.train_labels, ", in the checkpoint's run they had ", found.train_labels), kSame);
  if (found.batches != own.batches)
    refuse(cat("an epoch has ", own.batches, " batches, in the checkpoint's run it had ", found.batches), kSame);
}

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count(); }

 private:
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace

struct Trainer::State {
  /// What the test sees of an image: itself, or itself and its mirror image, their log-probabilities added.
  enum class Views { one, mirrored };

  State(const Model& m, const ImageData& d, const RunOptions& o, Progress::Style style)
      : model(m),
        options(o),
        part_images(first_images(d.validation, kPart)),
        train(d.train, loader_options(o, d.train)),
        test(d.test, loader_options(o, d.train).for_evaluation()),
        optimizer(optimizer_of(o, *m.params)),
        tape(Mode::train, o.seed),
        progress(style, o.epochs, train.batches(), o.log_every) {
    if (train.batches() == 0)
      throw ConfigError(
          {.op = "options",
           .path = "batch",
           .what = cat("batch is ", o.batch, ", the ", d.train.size, " training images do not fill one and --drop-last leaves it out"),
           .hint = "take a smaller --batch, or --no-drop-last"});
    if (d.validation.size > 0) {
      validation.emplace(d.validation, loader_options(o, d.train).for_evaluation());
      part.emplace(part_images, loader_options(o, d.train).for_evaluation());
    }
    at.seed = o.seed;
    at.batch_size = o.batch;
    at.train_size = d.train.size;
    at.train_labels = hash_of(d.train.labels);
    at.batches = train.batches();
    plan(o.epochs);
  }

  void plan(int epochs);
  double seconds_per_step();

  void prepare();
  void begin();
  void resume(const std::string& path);
  bool train_epoch(const Interrupt& interrupt);
  void step(const Batch& batch);
  Tally evaluate(Loader& images, Views views = Views::one);
  void evaluate_part();
  Tally read_test(int epoch);
  void finish_epoch();
  void say(const std::string& text) {
    if (!options.quiet) progress.line(text);
  }
  void save() { save_checkpoint(checkpoint_path(options), *model.params, *optimizer, at); }
  [[noreturn]] void name_non_finite(const Batch& batch, Mode mode, const std::string& seen);

  static constexpr std::int64_t kPart = 512;  ///< images evaluated between batches

  Model model;
  RunOptions options;
  ImageSet part_images;  ///< of the validation set
  Loader train, test;
  std::optional<Loader> validation, part;
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

LoaderOptions loader_options(const RunOptions& options, const ImageSet& train) {
  ChannelStatistics statistics = channel_statistics(train);
  LoaderOptions loader;
  loader.batch = options.batch;
  loader.seed = options.seed;
  loader.shift = options.shift;
  loader.fill = options.fill == "reflect" ? Fill::reflect : Fill::zero;
  loader.flip = options.flip ? Flip::yes : Flip::no;
  loader.cutout = static_cast<int>(std::lround(options.cutout * std::min(train.lattice.h, train.lattice.w)));
  loader.last = options.drop_last ? LastBatch::drop : LastBatch::keep;
  loader.mean = std::move(statistics.mean);
  loader.std = std::move(statistics.std);
  loader.lanes = options.lanes == "1" ? Lanes::one : options.lanes == "16" ? Lanes::sixteen : Lanes::by_count;
  return loader;
}

void Trainer::State::plan(int epochs) {
  options.epochs = epochs;
  total_steps = epochs * train.batches();
  lr = schedule_of(options, total_steps);
  progress.set_epochs(epochs);
}

/// Trains for a few steps, measures them, and puts everything back. The median: machines stall.
double Trainer::State::seconds_per_step() {
  constexpr std::size_t kWarm = 2, kMost = 60;
  constexpr double kEnough = 6;  // seconds
  const Checkpoint start{at, model.params->state(), optimizer->state()};
  train.begin(0);
  std::vector<double> seconds;
  const Stopwatch whole;
  Stopwatch watch;
  for (Batch batch; seconds.size() < kWarm + kMost && whole.seconds() < kEnough && train.next(batch);) {
    step(batch);
    seconds.push_back(watch.seconds());
    watch = Stopwatch();
  }
  restore(start, *model.params, *optimizer);
  at = start.position;
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

Trainer::Trainer(const Model& model, const ImageData& data, const RunOptions& options, Progress::Style style)
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
  if (s.at.epoch == 0) {
    const Tally initial = s.evaluate(s.test);
    result.position.test_loss = initial.mean_loss();
    result.position.test_accuracy = initial.accuracy();
  }
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
  if (at.step() == 0) save();
}

void Trainer::State::resume(const std::string& path) {
  const Checkpoint found = read_checkpoint(path);
  check_same_batches(at, found.position, path);
  check_metrics(options.out + "/metrics.jsonl", found.position.metrics_lines);
  restore(found, *model.params, *optimizer);
  at = found.position;
  say(cat("resuming after epoch ", at.epoch, ", batch ", at.batch));
}

bool Trainer::State::train_epoch(const Interrupt& interrupt) {
  train.begin(at.epoch, at.batch);
  Stopwatch watch;
  double before = at.train.seconds;
  for (Batch batch; train.next(batch);) {
    step(batch);
    ++at.batch;
    at.train.samples += batch.x.columns()->count;
    at.train.seconds = before + watch.seconds();
    if (part && at.batch * options.evaluations / at.batches > (at.batch - 1) * options.evaluations / at.batches) {
      evaluate_part();
      before = at.train.seconds, watch = Stopwatch();  // evaluation apart
    }
    progress.step(at.epoch + 1, at.batch, at.train.mean_loss(), at.train.accuracy(),
                  static_cast<double>(at.train.samples) / at.train.seconds);
    if (interrupt.asked()) return false;
    if (options.checkpoint_every > 0 && at.batch % options.checkpoint_every == 0 && at.batch < at.batches) save();
  }
  return true;
}

void Trainer::State::step(const Batch& batch) {
  tape.reset(at.step(), Mode::train);
  const Var logits = model.net(tape.input(batch.x));
  const Loss loss = model.loss(logits, batch.targets);
  const Var mean = loss.mean();
  const double sum = scalar(loss.sum);
  const std::int64_t correct = count_correct(logits.value(), batch.targets);
  if (!std::isfinite(sum)) name_non_finite(batch, Mode::train, cat("the loss is ", sum));
  const Gradients gradients = tape.backward(mean);
  const double norm = options.clip > 0 ? clip_gradients(*model.params, gradients, options.clip) : gradient_norm(*model.params, gradients);
  if (!std::isfinite(norm)) name_non_finite(batch, Mode::train, cat("the gradient's norm is ", norm));
  optimizer->step(gradients, lr(at.step(), total_steps));
  at.train.loss += sum;
  at.train.targets += loss.count;
  at.train.correct += correct;
}

/// One pass over images that are not trained on.
Tally Trainer::State::evaluate(Loader& images, Views views) {
  Tally tally;
  const Stopwatch watch;
  images.begin(0);
  for (Batch batch; images.next(batch);) {
    tape.reset(at.step(), Mode::eval);
    Var logits = model.net(tape.input(batch.x));
    if (views == Views::mirrored) logits = log_softmax(logits) + log_softmax(model.net(tape.input(mirrored(batch.x, tape.pool()))));
    const Loss loss = model.loss(logits, batch.targets);
    const double sum = scalar(loss.sum);
    if (!std::isfinite(sum)) name_non_finite(batch, Mode::eval, cat("the loss in evaluation is ", sum));
    tally.loss += sum;
    tally.targets += loss.count;
    tally.correct += count_correct(logits.value(), batch.targets);
    tally.samples += batch.x.columns()->count;
  }
  tally.seconds = watch.seconds();
  return tally;
}

void Trainer::State::evaluate_part() {
  const double epochs = static_cast<double>(at.epoch) + static_cast<double>(at.batch) / static_cast<double>(at.batches);
  metrics->append(evaluate(*part).metrics(epochs, "validation, part"));
  at.metrics_lines = metrics->lines();
}

/// The test set after an epoch, and after the last also the average over mirror images.
Tally Trainer::State::read_test(int epoch) {
  const Tally tally = evaluate(test);
  metrics->append(tally.metrics(epoch, "test"));
  at.test_loss = tally.mean_loss();
  at.test_accuracy = tally.accuracy();
  if (options.flip && epoch == options.epochs) {
    const Tally both = evaluate(test, Views::mirrored);
    metrics->append(both.metrics(epoch, "test, flip average"));
    char text[120];
    std::snprintf(text, sizeof text, "flip average (each test image and its mirror image): accuracy %.2f %%", 100 * both.accuracy());
    say(text);
  }
  return tally;
}

void Trainer::State::finish_epoch() {
  const int epoch = at.epoch + 1;
  metrics->append(at.train.metrics(epoch, "train"));
  const Tally tally = validation ? evaluate(*validation) : read_test(epoch);
  if (validation) {
    metrics->append(tally.metrics(epoch, "validation"));
    if (epoch == options.epochs) read_test(epoch);
  }
  char text[200];
  std::snprintf(text, sizeof text,
                "epoch %d/%d  train loss %.4f  accuracy %.2f %%   %s loss %.4f  accuracy %.2f %%   %.1f s, %.0f samples/s", epoch,
                options.epochs, at.train.mean_loss(), 100 * at.train.accuracy(), validation ? "validation" : "test", tally.mean_loss(),
                100 * tally.accuracy(), at.train.seconds, static_cast<double>(at.train.samples) / std::max(at.train.seconds, 1e-9));
  say(text);
  at.epoch = epoch;
  at.batch = 0;
  at.train = {};
  at.metrics_lines = metrics->lines();
  save();
}

/// Runs the step again with every op unfused and checked: the first that makes a non-finite value throws.
void Trainer::State::name_non_finite(const Batch& batch, Mode mode, const std::string& seen) {
  progress.clear();
  tape.check_finite(true);
  tape.reset(at.step(), mode);
  const Loss loss = model.loss(model.net(tape.input(batch.x)), batch.targets);
  const Var mean = loss.mean();
  mean.value();
  if (mode == Mode::train) tape.backward(mean);
  throw NumericError({.op = "step", .path = cat(at.step()), .what = seen, .hint = "lower --lr or bound the gradient with --clip"});
}

}  // namespace weft
