#include <weft/layers/reversible_norm.hpp>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

ReversibleNorm::ReversibleNorm(const Scope& s, ReversibleNormOptions options) : path_(s.path()), options_(options) {
  if (!(options.eps > 0))
    throw UsageError({.op = "reversible_norm", .path = path_, .what = cat("eps is ", options.eps), .hint = "give a variance > 0"});
}

ReversibleNorm::Window ReversibleNorm::operator()(Var x) const {
  const LayerCall call(x.tape(), path_);
  if (x.rows().rank() < 2)
    throw ShapeError({.op = "reversible_norm",
                      .path = path_,
                      .what = cat("X has rows ", x.rows().str(), ": a time axis and channels are needed"),
                      .hint = "reshape a single series to [T, 1]"});
  Window window{x, options_.centring == Centring::last ? last_step(x, options_.time) : mean_steps(x, options_.time), Var()};
  window.x = x - over_steps_of(x, window.level);
  if (options_.centring == Centring::deviation) {
    window.scale = sqrt(mean_steps(window.x * window.x, options_.time) + options_.eps);
    window.x = window.x / over_steps_of(x, window.scale);
  }
  window.x = call.done(window.x, [&] { return LayerInfo{path_, "reversible_norm", nullptr, {}, 1}; });
  return window;
}

Var ReversibleNorm::undo(Var y, const Window& window) const {
  const LayerCall call(y.tape(), path_);
  const bool divided = window.scale.id() >= 0;
  return (divided ? y * over_steps_of(y, window.scale) : y) + over_steps_of(y, window.level);
}

/// A statistic [C, N] at every step of `like`.
Var ReversibleNorm::over_steps_of(Var like, Var statistic) const {
  const std::int64_t steps = options_.time == TimeAxis::first ? like.rows()[0] : like.rows().back();
  return repeat_steps(statistic, steps, options_.time);
}

}  // namespace weft
