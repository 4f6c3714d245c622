#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <weft/apps/support/checkpoint.hpp>
#include <weft/apps/support/config.hpp>
#include <weft/autograd/ops.hpp>
#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/random.hpp>
#include <weft/core/text.hpp>
#include <weft/data/vocabulary.hpp>
#include <weft/layers/dropout.hpp>
#include <weft/layers/embedding.hpp>
#include <weft/layers/linear.hpp>
#include <weft/layers/recurrent.hpp>
#include <weft/layers/scope.hpp>

namespace weft {

/// The links of a recurrence over `steps` steps that goes on from the batch before: "lower_bidiagonal" (each step takes the last),
/// "dilated(K)" (the K-th last) or "skip(K)" (both). Throws ConfigError for another name.
inline PatternPtr links_of(const std::string& name, std::int64_t steps) {
  if (name == "lower_bidiagonal") return patterns::dilated(steps, 1, patterns::Carry::yes);
  const std::size_t open = name.find('(');
  const std::string kind = name.substr(0, open);
  int by = 0;
  if (open != std::string::npos) std::from_chars(name.data() + open + 1, name.data() + name.size(), by);
  if (by >= 2 && name == cat(kind, "(", by, ")")) {
    if (kind == "dilated") return patterns::dilated(steps, by, patterns::Carry::yes);
    if (kind == "skip") return patterns::skip(steps, by, patterns::Carry::yes);
  }
  throw ConfigError({.op = "options",
                     .path = "pattern",
                     .what = cat("there is no pattern '", name, "'"),
                     .hint = "choose lower_bidiagonal, dilated(K) or skip(K) with K of at least 2"});
}

/// The options with the steps of a batch that the form allows: an untied recurrence has weights for each, and no more than 16 of them.
inline RunOptions stepped(RunOptions o) {
  if (o.form == "untied") o.steps = std::min(o.steps, 16);
  return o;
}

/// A language model: embedding, LSTM over any links, and a softmax that multiplies by the embedding itself. Ids [T, 1, N] to states
/// [T, width, N], which loss() and logits() read; the LSTM's state goes from batch to batch.
class LanguageNet {
 public:
  LanguageNet(const Scope& s, std::int64_t words, const RunOptions& o)
      : words_(s / "words", words, o.width, {.init = initialise::uniform(0.1)}),
        before_(s / "before", o.dropout),
        lstm_(s / "lstm", links_of(o.pattern, stepped(o).steps), o.width, o.width,
              {.layers = o.layers, .dropout = o.dropout, .density = o.density}),
        after_(s / "after", o.dropout),
        softmax_(s / "softmax", words_.table()) {}

  Var operator()(Var ids, Carried& carried) const {
    RecurrentState state;
    for (std::size_t i = 0; i + 1 < carried.size(); i += 2) state.layers.push_back({carried[i], carried[i + 1]});
    const Var x = ids | words_ | before_, states = lstm_(x, state);
    carried.clear();
    for (const SweepState& layer : state.layers) carried.insert(carried.end(), {layer.h, layer.c});
    return states | after_;
  }

  /// Ids [T, 1, N] to logits [T, words, N], for a summary.
  Var whole(Var ids) const {
    Carried carried;
    return logits((*this)(ids, carried));
  }

  /// The negative log-likelihood of the words that follow.
  Loss loss(Var states, const Tensor& targets) const { return softmax_.cross_entropy(states, targets); }
  Var logits(Var states) const { return softmax_(states); }
  const Lstm& lstm() const { return lstm_; }

 private:
  Embedding words_;
  Dropout before_;
  Lstm lstm_;
  Dropout after_;
  Linear softmax_;
};

/// `count` words drawn one after another from what the network predicts, after an end of line; each is drawn from `seed` and its place.
inline std::string written_by(const LanguageNet& net, const Vocabulary& vocabulary, int count, std::uint64_t seed) {
  const Random draws(seed, hash_name("text"));
  const Tensor id = Tensor::tiled(Dtype::i32, {1, 1}, sample_columns(1));
  std::int32_t word = std::max(vocabulary.id(kEndOfLine), 0);
  Tape tape(Mode::eval);
  Carried carried;
  std::string text;
  for (int i = 0; i < count; ++i) {
    tape.reset(i, Mode::eval);
    id.data<std::int32_t>()[0] = word;
    const Tensor p = softmax(net.logits(net(tape.input(id), carried))).value();
    double left = draws.uniform(static_cast<std::uint64_t>(i));
    for (word = 0; word + 1 < vocabulary.size(); ++word)
      if ((left -= by_float(p.dtype(), [&](auto zero) { return static_cast<double>(p.data<decltype(zero)>()[word]); })) < 0) break;
    const bool ends = vocabulary.word(word) == kEndOfLine;
    text += ends ? "\n" : cat(text.empty() || text.back() == '\n' ? "" : " ", vocabulary.word(word));
  }
  return text + "\n";
}

/// What the language benchmarks share, for an app's own epochs: Adam along a cosine, dropout before, between and behind the LSTMs.
inline RunOptions language_recipe(RunOptions o) {
  o.batch = 32;
  o.steps = 35;
  o.lr = 4e-3;
  o.warmup = 300;
  o.clip = 0.5;
  o.width = 256;
  o.layers = 1;
  o.pattern = "lower_bidiagonal";
  o.words = 60;
  o.lacks = {"shift", "fill", "flip", "cutout", "label_smoothing", "validation", "drop_last", "word_dropout"};
  return o;
}

}  // namespace weft
