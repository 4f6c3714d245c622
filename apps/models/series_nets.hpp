#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <weft/apps/support/config.hpp>
#include <weft/autograd/ops.hpp>
#include <weft/autograd/ops/native.hpp>
#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/text.hpp>
#include <weft/core/value_layout.hpp>
#include <weft/layers/compose.hpp>
#include <weft/layers/conv.hpp>
#include <weft/layers/dropout.hpp>
#include <weft/layers/initialise.hpp>
#include <weft/layers/layer_call.hpp>
#include <weft/layers/linear.hpp>
#include <weft/layers/recurrent.hpp>
#include <weft/layers/reversible_norm.hpp>
#include <weft/layers/scope.hpp>

namespace weft {

/// A linear map over time that all series share; untied: one each, block-diagonal. Starts as the mean. [C, in, N] -> [C, out, N].
class TimeLinear {
 public:
  TimeLinear(const Scope& s, std::int64_t series, std::int64_t in, std::int64_t out)
      : apart_(s.form() == Form::untied && series > 1), rows_{series, out}, linear_(make(s, series, in, out, apart_)) {}

  Var operator()(Var x) const { return apart_ ? reshape(linear_(flatten(x)), rows_) : linear_(x); }

 private:
  static Linear make(const Scope& s, std::int64_t series, std::int64_t in, std::int64_t out, bool apart) {
    const LinearOptions options{.init = initialise::constant(1.0 / static_cast<double>(in))};
    if (!apart) return {s, in, out, options};
    return {s, patterns::untied(patterns::repeat_diagonal(patterns::dense_whole(out, in), series)), options};
  }

  bool apart_;
  Shape rows_;
  Linear linear_;
};

/// The mean of the `width` (odd) values around each step, the first and last repeated beyond the ends: constants 1/width. [C, T, N].
class MovingAverage {
 public:
  MovingAverage(const Scope& s, std::int64_t series, std::int64_t steps, std::int64_t width)
      : path_(s.path()), native_(s.form() == Form::native), series_(series), steps_(steps) {
    PatternSpec spec{.rows = steps, .cols = steps, .block = {BlockKind::identity, 1, 1}, .row_ptr = {0}};
    for (std::int64_t t = 0; t < steps; ++t) {
      for (std::int64_t k = t - width / 2; k <= t + width / 2; ++k)
        spec.col.push_back(static_cast<std::int32_t>(std::clamp<std::int64_t>(k, 0, steps - 1)));  // an end stored twice counts twice
      spec.row_ptr.push_back(static_cast<std::int64_t>(spec.col.size()));
    }
    spec.tie.assign(spec.col.size(), 0);
    spec.slots = 1;
    spec.name = cat("moving_average ", steps, ", ", width, " wide");
    const double share = 1.0 / static_cast<double>(width);
    if (native_) dense(s, spec, share);
    else share_ = Tensor::plain(s.store().dtype(), {1}), share_.fill(share);
    pattern_ = patterns::repeat_diagonal(make_pattern(std::move(spec)), series);
  }

  Var operator()(Var x) const {
    const LayerCall call(x.tape(), path_);
    const Shape rows = x.rows();  // a copy: the tape grows
    const Var share = x.tape().input(share_);
    const Var y =
        native_ ? native_linear(share, Var(), x, steps_) : reshape(spmm(pattern_, share, Var(), flatten(x), {series_ * steps_}), rows);
    return call.done(y, [&] { return LayerInfo{path_, "moving_average", pattern_, {}, 1}; });
  }

 private:
  /// The matrix of one series with all its zeros.
  void dense(const Scope& s, const PatternSpec& spec, double share) {
    const ValueLayout block{BlockKind::dense, static_cast<int>(steps_), static_cast<int>(steps_)};
    const Tensor matrix = Tensor::plain(Dtype::f64, {block.slot_size()});
    matrix.fill(0);
    for (std::int64_t t = 0; t < steps_; ++t)
      for (std::int64_t i = spec.row_ptr[static_cast<std::size_t>(t)]; i < spec.row_ptr[static_cast<std::size_t>(t + 1)]; ++i)
        matrix.data<double>()[block.offset(static_cast<int>(t), spec.col[static_cast<std::size_t>(i)])] += share;
    share_ = cast(matrix, s.store().dtype());
  }

  std::string path_;
  bool native_;
  std::int64_t series_, steps_;
  PatternPtr pattern_;
  Tensor share_;  // 1/width; native: the whole matrix of one series
};

/// A map of the moving average over 25 steps and one of what is left: DLinear (Zeng et al. 2023, arXiv 2205.13504).
class DecomposedLinear {
 public:
  DecomposedLinear(const Scope& s, std::int64_t series, std::int64_t in, std::int64_t out)
      : average_(s / "average", series, in, 25), map_(s / "map", series, in, out), trend_(s / "trend", series, in, out) {}

  Var operator()(Var x) const {
    const Var average = average_(x);
    return map_(x - average) + trend_(average);
  }

 private:
  MovingAverage average_;
  TimeLinear map_, trend_;
};

/// Steps that a recurrence or a convolution takes at once: a day of hours.
inline constexpr int kPatch = 24;

/// Patches in a look-back. Throws ConfigError where they do not fill it.
inline int patches_of(const RunOptions& o) {
  if (o.look_back % kPatch == 0) return o.look_back / kPatch;
  throw ConfigError({.op = "options",
                     .path = "look_back",
                     .what = cat("look_back is ", o.look_back, ", but '", o.model, "' reads patches of ", kPatch, " steps"),
                     .hint = cat("give a multiple of ", kPatch)});
}

/// A recurrence over the patches of a window (segments as its steps: Lin et al. 2023, arXiv 2308.11200) and a linear map of its last
/// state: [1, look_back, N] -> [1, horizon, N].
class RecurrentForecast {
 public:
  RecurrentForecast(const Scope& s, Cell cell, const RunOptions& o)
      : patches_{patches_of(o), kPatch},
        out_{1, o.horizon},
        recurrence_(s / "recurrence", cell, patterns::dilated(patches_of(o), 1), kPatch, o.width,
                    {.layers = o.layers, .dropout = o.dropout}),
        drop_(s / "drop", o.dropout),
        head_(s / "head", o.width, o.horizon) {}

  Var operator()(Var x) const {
    const Var states = recurrence_(reshape(x, patches_));
    return reshape(last_step(states, TimeAxis::first) | drop_ | head_, out_);
  }

  const Recurrent& recurrence() const { return recurrence_; }

 private:
  Shape patches_, out_;
  Recurrent recurrence_;
  Dropout drop_;
  Linear head_;
};

/// Convolutions over the patches of a window and a linear map of all their outputs: [1, look_back, N] -> [1, horizon, N].
class ConvForecast {
 public:
  ConvForecast(const Scope& s, const RunOptions& o)
      : patches_{patches_of(o), kPatch},
        out_{1, o.horizon},
        drop_(s / "drop", o.dropout),
        head_(s / "head", patches_of(o) * o.width, o.horizon) {
    for (int i = 0; i < o.layers; ++i)
      convs_.emplace_back(s / cat("c", i + 1), patches_of(o), i == 0 ? kPatch : o.width, o.width, SeriesConvOptions{.kernel = 3, .pad = 1});
  }

  Var operator()(Var x) const {
    x = reshape(x, patches_);
    for (const Conv1d& conv : convs_) x = x | conv | relu;
    return reshape(flatten(x) | drop_ | head_, out_);
  }

 private:
  Shape patches_, out_;
  std::vector<Conv1d> convs_;
  Dropout drop_;
  Linear head_;
};

/// Forecasts of C series, each from its own look-back, by maps that the series share: [C, look_back, N] -> [C, horizon, N].
///   linear   one linear map of the window without its mean
///   nlinear  one linear map of the window without its last value (Zeng et al. 2023, arXiv 2205.13504)
///   revin    one linear map of the window without its mean, divided by its deviation
///   dlinear  without its mean, DecomposedLinear
///   lstm, gru, cnn  without its mean, divided by its deviation, RecurrentForecast or ConvForecast; C = 1
/// Throws ConfigError for another model and a look-back that it cannot read.
class SeriesNet {
 public:
  SeriesNet(const Scope& s, std::int64_t series, const RunOptions& o)
      : norm_(s / "norm", {.centring = centring_of(o.model), .time = TimeAxis::last}), forecast_(forecast_of(s, series, o)) {}

  Var operator()(Var x) const {
    const ReversibleNorm::Window window = norm_(x);
    return norm_.undo(forecast_(window.x), window);
  }

 private:
  static Sequential::Step forecast_of(const Scope& s, std::int64_t series, const RunOptions& o) {
    if (o.model == "lstm") return RecurrentForecast(s, Cell::lstm, o);
    if (o.model == "gru") return RecurrentForecast(s, Cell::gru, o);
    if (o.model == "cnn") return ConvForecast(s, o);
    if (o.model == "dlinear") return DecomposedLinear(s, series, o.look_back, o.horizon);
    if (o.model == "linear" || o.model == "nlinear" || o.model == "revin") return TimeLinear(s / "map", series, o.look_back, o.horizon);
    throw ConfigError({.op = "options",
                       .path = "model",
                       .what = cat("there is no model '", o.model, "'"),
                       .hint = "choose of linear, nlinear, revin, dlinear, lstm, gru, cnn"});
  }

  static Centring centring_of(const std::string& model) {
    return model == "nlinear" ? Centring::last : model == "linear" || model == "dlinear" ? Centring::mean : Centring::deviation;
  }

  ReversibleNorm norm_;
  Sequential::Step forecast_;
};

}  // namespace weft
