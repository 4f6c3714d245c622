#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weft::paper {

/// What a benchmark is judged by on its test set.
enum class Metric : std::uint8_t { accuracy, mse, perplexity };

/// Its name in metrics.jsonl.
inline const char* name_of(Metric metric) { return metric == Metric::accuracy ? "accuracy" : metric == Metric::mse ? "mse" : "perplexity"; }
/// How much better `value` is than `other`: of accuracy more is better, of the others less.
inline double gain(Metric metric, double value, double other) { return metric == Metric::accuracy ? value - other : other - value; }

/// A row of the table: an app with its default model, and what is fixed before anything is measured.
struct Benchmark {
  std::string app;
  std::string name;         ///< as the data set calls itself
  double minutes;           ///< of training, for each form and seed
  int seeds;                ///< 42, 43, ...
  std::int64_t full_train;  ///< training and validation samples of the whole set
  int width;                ///< of its network in every form; 0: the app's own
  std::string step;         ///< the cell of `bench` that times its training step; empty: there is none
  Metric metric = Metric::accuracy;
  int full_classes = 0;  ///< of the whole set, where a part of it may have fewer
  int most_epochs = 0;   ///< the recipe's own, where the minutes allow many more than it can use; 0: no bound
};

inline const std::vector<Benchmark>& benchmarks() {
  static const std::vector<Benchmark> all{
      {"mnist", "MNIST", 1, 3, 60'000, 0, "step/mnist/batch128"},
      {"cifar10", "CIFAR-10", 4, 1, 50'000, 16, "step/cifar10/resnet9"},
      {"cifar100", "CIFAR-100", 4, 1, 50'000, 16, "step/cifar100/resnet12"},
      {"tiny_imagenet", "Tiny ImageNet", 4, 1, 100'000, 16, "step/tiny_imagenet/resnet12", Metric::accuracy, 200},
      {"etth1", "ETTh1", 1, 3, 10'818, 0, "step/etth1/linear", Metric::mse, 0, 8},
      {"electricity", "Electricity, first 1,000 hours", 1, 3, 118'958, 0, "step/electricity/linear", Metric::mse, 0, 10},
      {"ag_news", "AG News", 2, 3, 120'000, 0, "step/ag_news/mean", Metric::accuracy, 0, 5},
      {"wikitext2", "WikiText-2", 15, 1, 2'306'274, 0, "step/wikitext2/lstm", Metric::perplexity},
      {"ptb", "Penn Treebank", 15, 1, 1'003'349, 0, "step/ptb/lstm", Metric::perplexity},
  };
  return all;
}

constexpr int kFirstSeed = 42;
constexpr double kValidation = 0.1;  ///< share of the training images held out
constexpr int kEvaluations = 10;     ///< an epoch, on a fixed part of them
constexpr double kTolerance = 0.02;  ///< native's best validation value may be missed by this share
constexpr double kPruned = 0.25;     ///< density of the appendix

}  // namespace weft::paper
