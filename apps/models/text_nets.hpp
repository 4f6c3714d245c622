#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include <weft/apps/support/config.hpp>
#include <weft/autograd/ops.hpp>
#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/text.hpp>
#include <weft/layers/compose.hpp>
#include <weft/layers/conv.hpp>
#include <weft/layers/dropout.hpp>
#include <weft/layers/embedding.hpp>
#include <weft/layers/initialise.hpp>
#include <weft/layers/linear.hpp>
#include <weft/layers/pool.hpp>
#include <weft/layers/recurrent.hpp>
#include <weft/layers/scope.hpp>

namespace weft {

/// A GRU over the words in either direction, and the largest value of each unit over time. [T, width, N] -> [2·width, N].
struct GruOverWords {
  Gru gru;
  GlobalPool1d largest;

  GruOverWords(const Scope& s, const RunOptions& o)
      : gru(s / "gru", patterns::dilated(o.steps, 1), o.width, o.width, {.bidirectional = true}), largest(s / "largest", Pooling::max) {}

  Var operator()(Var x) const { return x | gru | largest; }
};

/// Convolutions of 3, 4 and 5 words and the largest value of each channel over time: Kim 2014, arXiv 1408.5882, section 2. They are causal,
/// so no value depends on what pads a text; the first ones see fewer words. [T, width, N] -> [3·width, N].
struct ConvOverWords {
  std::vector<Conv1d> convs;
  GlobalPool1d largest;

  ConvOverWords(const Scope& s, const RunOptions& o) : largest(s / "largest", Pooling::max) {
    for (const int words : {3, 4, 5})
      convs.emplace_back(s / cat("conv", words), o.steps, o.width, o.width, SeriesConvOptions{.kernel = words, .causal = true});
  }

  Var operator()(Var x) const {
    Var all = x | convs.front() | relu | largest;
    for (std::size_t i = 1; i < convs.size(); ++i) all = beside(all, x | convs[i] | relu | largest);
    return all;
  }
};

/// A linear layer on what one of three models makes of a text's word vectors: their mean, gru or cnn (above). Ids [T, 1, N] to logits
/// [classes, N]. Throws ConfigError for another model.
struct TextNet {
  Embedding words;
  Sequential::Step features;
  Dropout drop;
  Linear head;

  TextNet(const Scope& s, std::int64_t vocabulary, std::int64_t classes, const RunOptions& o)
      : words(s / "words", vocabulary, o.width, {.init = initialise::normal(0.1)}),
        features(features_of(s, o)),
        drop(s / "drop", o.dropout),
        head(s / "head",
             o.width * (o.model == "gru"   ? 2
                        : o.model == "cnn" ? 3
                                           : 1),
             classes) {}

  Var operator()(Var ids) const { return ids | words | features | drop | head; }

 private:
  static Sequential::Step features_of(const Scope& s, const RunOptions& o) {
    if (o.model == "mean") return GlobalPool1d(s / "mean");
    if (o.model == "gru") return GruOverWords(s, o);
    if (o.model == "cnn") return ConvOverWords(s, o);
    throw ConfigError(
        {.op = "options", .path = "model", .what = cat("there is no model '", o.model, "'"), .hint = "choose of mean, gru, cnn"});
  }
};

/// What networks on labelled texts share, for an app's own epochs, batch, lr, dropout, steps and word dropout: AdamW without decay, its
/// rate risen over 50 steps and then falling linearly to zero, a last smaller batch left out.
inline RunOptions text_recipe(RunOptions o) {
  o.schedule = "linear";
  o.warmup = 50;
  o.drop_last = true;
  o.lacks = {"shift", "fill", "flip", "cutout", "density"};
  return o;
}

/// The same with the three models' own, as found on a tenth of AG News held out.
inline RunOptions ag_news_recipe() {
  RunOptions mean =
      text_recipe({.epochs = 5, .batch = 64, .lr = 5e-3, .dropout = 0.3, .model = "mean", .width = 64, .steps = 64, .word_dropout = 0.3});
  mean.models = {
      text_recipe({.epochs = 2, .batch = 64, .lr = 3e-3, .dropout = 0.5, .model = "gru", .width = 64, .steps = 64, .word_dropout = 0.2}),
      text_recipe({.epochs = 3, .batch = 64, .lr = 2e-3, .dropout = 0.5, .model = "cnn", .width = 64, .steps = 64, .word_dropout = 0.2})};
  return mean;
}

}  // namespace weft
