// Training steps of the apps' networks and inferences of the MNIST network, weft's and PyTorch's turn about.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <weft.hpp>
#include <weft/apps/bench/fma_probe.hpp>
#include <weft/apps/bench/machine.hpp>
#include <weft/apps/bench/operands.hpp>
#include <weft/apps/bench/peers/pytorch.hpp>
#include <weft/apps/bench/tables.hpp>
#include <weft/apps/models/image_nets.hpp>
#include <weft/apps/models/language_net.hpp>
#include <weft/apps/models/mnist_cnn.hpp>
#include <weft/apps/models/series_nets.hpp>
#include <weft/apps/models/text_nets.hpp>
#include <weft/core/parallel.hpp>
#include <weft/core/random.hpp>
#include <weft/core/text.hpp>
#include <weft/layers/optim/adam.hpp>
#include <weft/layers/optim/clip.hpp>
#include <weft/layers/optim/sgd.hpp>

namespace weft::bench {

namespace {

constexpr double kFloorInference = 1.0, kFloorNative = 0.97, kFloorNativePyTorch = 0.5;
constexpr const char* kFormats[] = {"contiguous", "channels_last"};
constexpr const char* kInference = "inference/N1";

/// A line of the table: the network of an app at a batch size, and how many times PyTorch's time weft must be worth.
struct StepCase {
  enum class Kind { images, language, texts, series };
  const char* cell;
  const char* net;
  Lattice input;  ///< an image; the steps of a text; of series the steps behind and their number
  int outputs;    ///< classes; words of a language; steps ahead
  int batch;
  double floor;
  Kind kind = Kind::images;

  bool is_image() const { return kind == Kind::images; }
  /// Whether its app has --density.
  bool is_pruned() const { return is_image() || kind == Kind::language; }
  /// Memory formats in which PyTorch runs it.
  std::size_t formats() const { return is_image() ? std::size(kFormats) : 1; }
};
using Kind = StepCase::Kind;
constexpr int kTextWords = 33'770;  // AG News'
constexpr StepCase kSteps[] = {{"step/mnist/batch64", "mnist", {28, 28, 1}, 10, 64, 2.0},
                               {"step/mnist/batch128", "mnist", {28, 28, 1}, 10, 128, 2.0},
                               {"step/cifar10/resnet9", "resnet9", {32, 32, 3}, 10, 128, 1.2},
                               {"step/cifar10/vgg9", "vgg9", {32, 32, 3}, 10, 128, 1.2},
                               {"step/cifar100/resnet12", "resnet12", {32, 32, 3}, 100, 64, 1.2},
                               {"step/tiny_imagenet/resnet12", "resnet12", {64, 64, 3}, 20, 128, 1.2},
                               {"step/etth1/linear", "etth1", {512, 7, 1}, 96, 32, 1.0, Kind::series},
                               {"step/electricity/linear", "electricity", {168, 1, 1}, 24, 256, 1.0, Kind::series},
                               {"step/ag_news/mean", "ag_news", {64, 1, 1}, 4, 64, 1.0, Kind::texts},
                               {"step/wikitext2/lstm", "lstm", {35, 1, 1}, 33'278, 32, 1.0, Kind::language},
                               {"step/ptb/lstm", "lstm", {35, 1, 1}, 10'000, 32, 1.0, Kind::language}};

/// A network in one of its forms, its optimizer and one batch of noise.
class Training {
 public:
  Training(const StepCase& c, Form form, double density) {
    const Scope scope(params_, form);
    switch (c.kind) {
      case Kind::images: set_images(c, scope, density); break;
      case Kind::language: set_language(c, scope, density); break;
      case Kind::texts: set_texts(c, scope); break;
      case Kind::series: set_series(c, scope); break;
    }
  }

  /// What apps/support/trainer.cpp does for a batch, less its bookkeeping.
  void step() {
    tape_.reset(++steps_, Mode::train);
    const Var mean = loss_(tape_.input(x_)).mean();
    const Gradients gradients = tape_.backward(mean);
    if (clip_ > 0) clip_gradients(params_, gradients, clip_);
    optimizer_->step(gradients, 1e-3);
  }
  void infer() {
    tape_.reset(0, Mode::eval);
    net_(tape_.input(x_)).value();
  }
  std::int64_t allocations() const { return tape_.pool().allocations(); }
  std::int64_t buffers() const { return tape_.pool().bytes(); }

 private:
  void set_images(const StepCase& c, const Scope& scope, double density) {
    if (std::string(c.net) == "mnist") {
      net_ = MnistCnn(scope, c.input, {.classes = c.outputs, .density = density});
      optimizer_ = std::make_unique<Adam>(params_);
    } else {
      RunOptions options;
      options.model = c.net;
      options.width = 16;
      options.density = density;
      net_ = image_net(scope, {.lattice = c.input, .classes = c.outputs, .size = 0, .pixels = {}, .labels = {}}, options);
      optimizer_ = std::make_unique<Sgd>(params_, SgdOptions{.momentum = 0.9, .weight_decay = 5e-4, .nesterov = true});
    }
    x_ = Tensor::tiled(Dtype::f32, c.input.shape(), sample_columns(c.batch));
    fill_noise(x_);
    targets_ = ids({1}, c.batch, c.outputs);
    loss_ = [this](Var x) { return cross_entropy(net_(x), targets_); };
  }

  void set_texts(const StepCase& c, const Scope& scope) {
    net_ = TextNet(scope, kTextWords, c.outputs, ag_news_recipe());
    optimizer_ = std::make_unique<Adam>(params_);
    x_ = ids({c.input.h, 1}, c.batch, kTextWords), targets_ = ids({1}, c.batch, c.outputs);
    loss_ = [this](Var x) { return cross_entropy(net_(x), targets_); };
  }

  void set_series(const StepCase& c, const Scope& scope) {
    RunOptions options;
    options.model = "linear", options.look_back = c.input.h, options.horizon = c.outputs;
    net_ = SeriesNet(scope, c.input.w, options);
    optimizer_ = std::make_unique<Adam>(params_);
    const ColumnsPtr columns = sample_columns(c.batch);
    x_ = Tensor::tiled(Dtype::f32, {c.input.w, c.input.h}, columns), targets_ = Tensor::tiled(Dtype::f32, {c.input.w, c.outputs}, columns);
    fill_noise(x_), fill_noise(targets_);
    loss_ = [this](Var x) { return mse(net_(x), targets_); };
  }

  /// Numbers below `count`.
  static Tensor ids(Shape rows, int batch, int count) {
    const Tensor t = Tensor::tiled(Dtype::i32, rows, sample_columns(batch));
    const Random draws(1, hash_name("ids"));
    for (std::int64_t i = 0; i < t.element_count(); ++i)
      t.data<std::int32_t>()[i] = static_cast<std::int32_t>(draws.below(static_cast<std::uint64_t>(i), static_cast<std::uint32_t>(count)));
    return t;
  }

  void set_language(const StepCase& c, const Scope& scope, double density) {
    RunOptions options = language_recipe({.dropout = 0.45});
    options.density = density, clip_ = options.clip;
    const auto net = std::make_shared<LanguageNet>(scope, c.outputs, options);
    optimizer_ = std::make_unique<Adam>(params_);
    x_ = targets_ = ids({c.input.h, 1}, c.batch, c.outputs);
    loss_ = [this, net](Var x) { return net->loss((*net)(x, carried_), targets_); };
  }

  ParamStore params_;
  std::function<Var(Var)> net_;
  std::function<Loss(Var)> loss_;
  std::unique_ptr<Optimizer> optimizer_;
  Carried carried_;
  double clip_ = 0;
  Tape tape_;
  Tensor x_, targets_;
  std::int64_t steps_ = 0;
};

/// Seconds of a step in common rounds.
struct Seconds {
  double sparse = 0, native = 0, pruned = 0;  // 0: not measured
  std::vector<double> pytorch;                // by memory format
  bool calm = true;
  double best_pytorch() const { return *std::min_element(pytorch.begin(), pytorch.end()); }
};

std::string milliseconds(double seconds) { return seconds > 0 ? fixed(1e3 * seconds, 2) : "-"; }

/// One line of the table and what is judged in it.
void print_line(Context& context, const std::string& cell, double floor, const Seconds& s) {
  Cell numbers{cell, threads(), {{"sparse seconds", s.sparse}, {"disturbed", !s.calm}}};
  std::string text = left("  " + cell, 30) + right(cat(threads()), 8) + right(milliseconds(s.sparse) + (s.calm ? "" : "~"), 10) +
                     right(milliseconds(s.native), 10) + right(milliseconds(s.pruned), 10);
  const auto judge = [&](const char* against, double ratio, double least) {
    numbers.numbers[against] = ratio;
    text += right(show(ratio, Unit::ratio), 9) + " " +
            left(judge_if_calm(context.results, cat(cell, ", ", team(), ", ", against), ratio, least, Unit::ratio, !s.calm), 9);
  };
  for (std::size_t i = 0; i < s.pytorch.size(); ++i) {
    text += right(milliseconds(s.pytorch[i]), 14);
    numbers.numbers[cat("PyTorch ", kFormats[i], " seconds")] = s.pytorch[i];
  }
  if (!s.pytorch.empty()) text += std::string(14 * (std::size(kFormats) - s.pytorch.size()), ' ');
  if (!s.pytorch.empty()) judge("PyTorch / sparse", s.best_pytorch() / s.sparse, floor);
  if (s.native > 0) {
    numbers.numbers["native seconds"] = s.native;
    numbers.numbers["pruned seconds"] = s.pruned;
    judge("native / sparse", s.native / s.sparse, kFloorNative);
    if (!s.pytorch.empty()) judge("PyTorch / native", s.best_pytorch() / s.native, kFloorNativePyTorch);
  }
  context.results.cell(std::move(numbers));
  context.results.line(text);
}

/// Weft's candidates first, then PyTorch's.
Seconds race_pytorch(Context& context, std::vector<Candidate> own, const std::vector<Candidate>& formats) {
  const std::size_t count = own.size();
  own.insert(own.begin(), fma_probe());
  own.insert(own.end(), formats.begin(), formats.end());
  std::vector<double> seconds;
  Seconds s;
  s.calm = measure_calmly(context, own, seconds);
  s.sparse = seconds[1];
  if (count > 1) s.native = seconds[2];
  if (count > 2) s.pruned = seconds[3];
  s.pytorch.assign(seconds.begin() + static_cast<std::ptrdiff_t>(1 + count), seconds.end());
  return s;
}

void training_line(Context& context, PyTorch* pytorch, const StepCase& c) {
  if (!context.wants(c.cell)) return;
  Training sparse(c, Form::sparse, 1), native(c, Form::native, 1), pruned(c, Form::sparse, context.options.density);
  std::vector<Candidate> own{timed("sparse", [&] { sparse.step(); }), timed("native", [&] { native.step(); })};
  if (c.is_pruned()) own.push_back(timed("pruned", [&] { pruned.step(); }));
  const PyTorchCase same{c.net, c.input.h, c.outputs, c.batch};
  std::vector<Candidate> formats;
  for (std::size_t i = 0; i < c.formats(); ++i)
    if (pytorch != nullptr) formats.push_back({kFormats[i], [=](int calls) { return pytorch->steps(same, kFormats[i], calls); }, true});
  sparse.step();
  sparse.step();
  const std::int64_t before = sparse.allocations();
  print_line(context, c.cell, c.floor, race_pytorch(context, std::move(own), formats));
  context.results.line(cat("    buffers of the step ", fixed(static_cast<double>(sparse.buffers()) / 1e6, 1), " MB (native ",
                           fixed(static_cast<double>(native.buffers()) / 1e6, 1), "), ", sparse.allocations() - before,
                           " allocated after the second step"));
}

void inference_line(Context& context, PyTorch* pytorch) {
  if (!context.wants(kInference)) return;
  Training one({kInference, "mnist", {28, 28, 1}, 10, 1, kFloorInference}, Form::sparse, 1);
  std::vector<Candidate> formats;
  for (const char* format : kFormats)
    if (pytorch != nullptr) formats.push_back({format, [=](int calls) { return pytorch->inferences(format, calls); }, true});
  print_line(context, kInference, kFloorInference, race_pytorch(context, {timed("sparse", [&] { one.infer(); })}, formats));
}

}  // namespace

bool wants_steps(const Context& context) {
  return context.wants(kInference) ||
         std::any_of(std::begin(kSteps), std::end(kSteps), [&](const StepCase& c) { return context.wants(c.cell); });
}

void step_table(Context& context, PyTorch* pytorch) {
  if (!wants_steps(context)) return;
  if (pytorch != nullptr) pytorch->set_threads(threads());
  context.results.heading(cat("Training steps of apps/models and inference of mnist_cnn.hpp, ", team(),
                              ", in ms: sparse form, native form, ", fixed(100 * context.options.density, 0),
                              " % of the blocks, PyTorch; ratios of times"));
  std::string head = left("  cell", 30) + right("threads", 8) + right("sparse", 10) + right("native", 10) + right("pruned", 10);
  if (pytorch != nullptr) head += right("contiguous", 14) + right("channels last", 14) + right("PyTorch / sparse", 19);
  head += right("native / sparse", 19);
  if (pytorch != nullptr) head += right("PyTorch / native", 19);
  context.results.line(head);
  reset_peak_memory();
  for (const StepCase& c : kSteps) training_line(context, pytorch, c);
  inference_line(context, pytorch);
  context.results.line(
      cat("  peak memory of this process meanwhile: ", fixed(static_cast<double>(peak_memory().since_reset) / 1e6, 1), " MB"));
}

}  // namespace weft::bench
