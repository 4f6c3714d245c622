#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/apps/support/config.hpp>
#include <weft/apps/support/exit.hpp>
#include <weft/apps/support/image_batches.hpp>
#include <weft/apps/support/report.hpp>
#include <weft/apps/support/series_batches.hpp>
#include <weft/apps/support/text_batches.hpp>
#include <weft/apps/support/trainer.hpp>
#include <weft/core/device.hpp>
#include <weft/data/ag_news.hpp>
#include <weft/data/cifar.hpp>
#include <weft/data/dataset.hpp>
#include <weft/data/series.hpp>
#include <weft/data/tiny_imagenet.hpp>
#include <weft/layers/scope.hpp>
#include <weft/layers/summary.hpp>

namespace weft {

/// One run of an app: its flags, what it prints, and the folder that its results go to. See apps/mnist.cpp.
class Run {
 public:
  /// Reads flags over `defaults`, sets the threads and prints what runs where. Throws ConfigError as read_options, DeviceError.
  Run(int argc, const char* const* argv, const RunOptions& defaults);

  const RunOptions& options() const { return options_; }
  const Device& device() const { return device_; }
  std::uint64_t seed() const { return options_.seed; }
  Form form() const { return form_; }

  // Each finds a set, prints from where, and holds out --validation. Throws FormatError, ConfigError for a share that holds out nothing.
  /// MNIST, or what find_images finds in its place.
  ImageData images() const;
  /// CIFAR-10 or CIFAR-100, as find_cifar.
  ImageData images(CifarKind kind) const;
  /// Tiny ImageNet, or a user's own images resized to --side, as find_tiny_imagenet; prints from where. Throws FormatError.
  ImageData images(TinyImageNet) const;
  /// AG News or texts of the user's own, as find_ag_news.
  TextData texts(const AgNewsOptions& options = {}) const;
  /// WikiText-2, the Penn Treebank or a text of the user's own, as find_tokens; its own validation part is used, whatever --validation.
  TokenData tokens(TokenSet set) const;
  /// ETTh1, or a table of the user's own, as find_etth1; prints from where. Throws FormatError.
  SeriesData etth1() const;
  /// What --set asks for, as find_electricity; prints from where. Throws FormatError, ConfigError.
  SeriesData electricity() const;
  /// Prints a network's summary and keeps it for OUT/summary.txt.
  void show(const Summary& summary);

  /// Prints a text that a finished run made and writes it to OUT/`name`; nothing in a dry run.
  void leave(const std::string& name, const std::string& text) const;

  /// Trains `net` by `loss`, with the run's label smoothing where that takes options, in training (Var -> Var, or with what it carries from
  /// batch to batch, Var, Carried& -> Var) and writes config.json, summary.txt, vocabulary.txt (of texts), metrics.jsonl, last.safetensors,
  /// plots and, at the end, result.json to the folder --out. The exit code: 0, 3 if --target is not met by the last epoch, 130 if
  /// interrupted. Throws as Trainer::fit.
  template <class Net, class LossFunction>
  int fit(const Net& net, ParamStore& params, const TrainingData& data, LossFunction loss) {
    return fit_model({[&net](Var x, Carried& carried) {
                        if constexpr (std::is_invocable_v<const Net&, Var, Carried&>) return net(x, carried);
                        else return static_cast<void>(carried), net(x);
                      },
                      [loss, smoothing = options_.label_smoothing](Var prediction, const Tensor& targets) {
                        if constexpr (std::is_invocable_v<LossFunction, Var, const Tensor&>)
                          return static_cast<void>(smoothing), loss(prediction, targets);
                        else return loss(prediction, targets, {.label_smoothing = prediction.tape().training() ? smoothing : 0});
                      },
                      &params},
                     data);
  }
  /// Images [h, w, c, N] to logits [classes, N].
  template <class Net, class LossFunction>
  int fit(const Net& net, ParamStore& params, const ImageData& data, LossFunction loss) {
    return fit(net, params, image_batches(data, options_), loss);
  }
  /// Ids [T, 1, N] of texts to logits [classes, N].
  template <class Net, class LossFunction>
  int fit(const Net& net, ParamStore& params, const TextData& data, LossFunction loss) {
    return fit(net, params, text_batches(data, options_), loss);
  }

 private:
  int fit_model(const Model& model, const TrainingData& data);
  int judge(const FitResult& result, Measure measure) const;
  using Baselines = std::vector<std::pair<std::string, std::vector<Metric>>>;
  std::string result_json(const TrainingData& data, const Baselines& baselines, const Position& at) const;
  SeriesData found(SeriesData data, const std::vector<std::string>& remarks) const;
  ImageData found(ImageData data, const std::vector<std::string>& remarks) const;
  void say(const std::string& text) const;

  RunOptions options_;
  Device device_;
  Form form_;
  Summary summary_;
};

}  // namespace weft
