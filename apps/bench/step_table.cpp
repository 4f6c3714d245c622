// Training steps of the image networks and inferences of the MNIST network, weft's and PyTorch's turn about.
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
#include <weft/apps/models/mnist_cnn.hpp>
#include <weft/core/parallel.hpp>
#include <weft/core/text.hpp>
#include <weft/layers/optim/adam.hpp>
#include <weft/layers/optim/sgd.hpp>

namespace weft::bench {

namespace {

constexpr int kClasses = 10;
constexpr double kFloorInference = 1.0;
constexpr const char* kFormats[] = {"contiguous", "channels_last"};
constexpr const char* kInference = "inference/N1";

/// A line of the table: a network at a batch size, and how many times PyTorch's time weft must be worth.
struct StepCase {
  const char* cell;
  const char* net;
  Lattice image;
  int batch;
  double floor;
};
constexpr StepCase kSteps[] = {{"step/batch64", "mnist", {28, 28, 1}, 64, 2.0},
                               {"step/batch128", "mnist", {28, 28, 1}, 128, 2.0},
                               {"step/resnet9", "resnet9", {32, 32, 3}, 128, 1.2},
                               {"step/vgg9", "vgg9", {32, 32, 3}, 128, 1.2}};

/// A network, its optimizer and one batch of noise.
class Training {
 public:
  Training(const std::string& net, Lattice image, std::int64_t batch) {
    const Scope scope(params_);
    if (net == "mnist") {
      net_ = MnistCnn(scope, image);
      optimizer_ = std::make_unique<Adam>(params_);
    } else {
      RunOptions options;
      options.model = net;
      options.width = 16;
      net_ = image_net(scope, {.lattice = image, .classes = kClasses, .size = 0, .pixels = {}, .labels = {}}, options);
      optimizer_ = std::make_unique<Sgd>(params_, SgdOptions{.momentum = 0.9, .weight_decay = 5e-4, .nesterov = true});
    }
    const ColumnsPtr columns = sample_columns(batch);
    images_ = Tensor::tiled(Dtype::f32, image.shape(), columns);
    fill_noise(images_);
    targets_ = Tensor::tiled(Dtype::i32, {1}, columns);
    for (std::int64_t i = 0; i < targets_.element_count(); ++i) targets_.data<std::int32_t>()[i] = static_cast<std::int32_t>(i % kClasses);
  }

  /// What apps/support/trainer.cpp does for a batch, less its bookkeeping.
  void step() {
    tape_.reset(++steps_, Mode::train);
    const Loss loss = cross_entropy(net_(tape_.input(images_)), targets_);
    const Var mean = loss.mean();
    const Gradients gradients = tape_.backward(mean);
    optimizer_->step(gradients, 1e-3);
  }
  void infer() {
    tape_.reset(0, Mode::eval);
    net_(tape_.input(images_)).value();
  }
  std::int64_t allocations() const { return tape_.pool().allocations(); }
  std::int64_t buffers() const { return tape_.pool().bytes(); }

 private:
  ParamStore params_;
  std::function<Var(Var)> net_;
  std::unique_ptr<Optimizer> optimizer_;
  Tape tape_;
  Tensor images_, targets_;
  std::int64_t steps_ = 0;
};

/// One line of the table: weft's time, PyTorch's in both memory formats, and the better of those over weft's.
void race_pytorch(Context& context, const std::string& cell, double floor, const Candidate& own, const std::vector<Candidate>& formats) {
  std::vector<Candidate> candidates{fma_probe(), own};
  candidates.insert(candidates.end(), formats.begin(), formats.end());
  std::vector<double> seconds;
  const bool calm = measure_calmly(context, candidates, seconds);
  const double weft = seconds[1];
  Cell numbers{cell, threads(), {{"seconds", weft}, {"disturbed", !calm}}};
  std::string text = left("  " + cell, 20) + right(cat(threads()), 8) + right(fixed(1e3 * weft, 3) + (calm ? "" : "~"), 11);
  for (std::size_t i = 0; i < formats.size(); ++i) {
    text += right(fixed(1e3 * seconds[i + 2], 3), 15);
    numbers.numbers[cat("PyTorch ", formats[i].name, " seconds")] = seconds[i + 2];
  }
  if (!formats.empty()) {
    const double ratio = *std::min_element(seconds.begin() + 2, seconds.end()) / weft;
    numbers.numbers["vs PyTorch"] = ratio;
    text += right(show(ratio, Unit::ratio), 9) + right(show(floor, Unit::ratio), 8) + "  " +
            judge_if_calm(context.results, cat(cell, ", ", team(), ", against PyTorch"), ratio, floor, Unit::ratio, !calm);
  }
  context.results.cell(std::move(numbers));
  context.results.line(text);
}

void training_line(Context& context, PyTorch* pytorch, const StepCase& c) {
  if (!context.wants(c.cell)) return;
  Training training(c.net, c.image, c.batch);
  std::vector<Candidate> formats;
  for (const char* format : kFormats)
    if (pytorch != nullptr) formats.push_back({format, [=](int calls) { return pytorch->steps(c.net, format, c.batch, calls); }, true});
  training.step();
  training.step();
  const std::int64_t before = training.allocations();
  race_pytorch(context, c.cell, c.floor, timed("weft", [&] { training.step(); }), formats);
  context.results.line(cat("    buffers of the step ", fixed(static_cast<double>(training.buffers()) / 1e6, 1), " MB, ",
                           training.allocations() - before, " allocated after the second step"));
}

void inference_line(Context& context, PyTorch* pytorch) {
  if (!context.wants(kInference)) return;
  Training one("mnist", {28, 28, 1}, 1);
  std::vector<Candidate> formats;
  for (const char* format : kFormats)
    if (pytorch != nullptr) formats.push_back({format, [=](int calls) { return pytorch->inferences(format, calls); }, true});
  race_pytorch(context, kInference, kFloorInference, timed("weft", [&] { one.infer(); }), formats);
}

}  // namespace

bool wants_steps(const Context& context) {
  return context.wants(kInference) ||
         std::any_of(std::begin(kSteps), std::end(kSteps), [&](const StepCase& c) { return context.wants(c.cell); });
}

void step_table(Context& context, PyTorch* pytorch) {
  if (!wants_steps(context)) return;
  if (pytorch != nullptr) pytorch->set_threads(threads());
  context.results.heading(
      cat("Training steps of apps/models and inference of mnist_cnn.hpp, ", team(), ": ms, and the better of PyTorch's / weft's"));
  context.results.line(
      left("  cell", 20) + right("threads", 8) + right("weft", 11) +
      (pytorch == nullptr ? "" : right("contiguous", 15) + right("channels last", 15) + right("ratio", 9) + right("floor", 8)));
  reset_peak_memory();
  for (const StepCase& c : kSteps) training_line(context, pytorch, c);
  inference_line(context, pytorch);
  context.results.line(
      cat("  peak memory of this process meanwhile: ", fixed(static_cast<double>(peak_memory().since_reset) / 1e6, 1), " MB"));
}

}  // namespace weft::bench
