#pragma once

#include <cstdint>

#include <weft/apps/support/config.hpp>
#include <weft/autograd/ops.hpp>
#include <weft/layers/dropout.hpp>
#include <weft/layers/embedding.hpp>
#include <weft/layers/initialise.hpp>
#include <weft/layers/linear.hpp>
#include <weft/layers/pool.hpp>
#include <weft/layers/scope.hpp>

namespace weft {

struct MeanOfEmbeddingsOptions {
  int dim = 64;        ///< of a word's vector
  double dropout = 0;  ///< of the mean
};

/// A linear layer on the mean of a text's word vectors, whatever their order: ids [T, 1, N] -> [classes, N].
struct MeanOfEmbeddings {
  Embedding words;
  GlobalPool1d mean;
  Dropout drop;
  Linear head;

  MeanOfEmbeddings(const Scope& s, std::int64_t vocabulary, std::int64_t classes, MeanOfEmbeddingsOptions options = {})
      : words(s / "words", vocabulary, options.dim, {.init = initialise::normal(0.1)}),
        mean(s / "mean"),
        drop(s / "drop", options.dropout),
        head(s / "head", options.dim, classes) {}

  Var operator()(Var ids) const { return ids | words | mean | drop | head; }
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

}  // namespace weft
