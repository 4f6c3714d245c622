#pragma once

#include <cstdint>
#include <string>

#include <weft/autograd/ops.hpp>
#include <weft/layers/layer_call.hpp>
#include <weft/layers/scope.hpp>

namespace weft {

/// What is taken from a window before a model sees it, and given back to the forecast.
enum class Centring : std::uint8_t {
  mean,       ///< its mean
  last,       ///< its last value (NLinear: Zeng et al. 2023, arXiv 2205.13504)
  deviation,  ///< its mean, and what is left is divided by its deviation (RevIN)
};

struct ReversibleNormOptions {
  Centring centring = Centring::deviation;
  double eps = 1e-5;  ///< added to the variance
  TimeAxis time = TimeAxis::first;
};

/// Reversible instance normalisation of a window of a series (Kim et al. 2022, "Reversible Instance Normalization for Accurate Time-Series
/// Forecasting against Distribution Shift", without its affine map): x' = (x − m)/s with m and s = sqrt(variance + eps) over the steps of
/// each channel and column, and for a forecast y of the same channels, over any number of steps, y' = s·y + m.
///   const auto window = norm(x);
///   return norm.undo(window.x | model, window);
/// Shapes: [T, C, N] with time first, [C, T, N] with time last; steps beyond a column's length do not enter m and s. No parameters: the
/// same in every form. Throws ShapeError without a time axis and channels, UsageError unless eps > 0.
class ReversibleNorm {
 public:
  explicit ReversibleNorm(const Scope& s, ReversibleNormOptions options = {});

  /// A window without its level and scale, and what undo() needs.
  struct Window {
    Var x;
    Var level, scale;  ///< [C, N]; scale is undefined where nothing was divided
  };
  Window operator()(Var x) const;
  /// The forecast at the window's level and scale. Throws ShapeError if its channels are not the window's.
  Var undo(Var y, const Window& window) const;

 private:
  Var over_steps_of(Var like, Var statistic) const;

  std::string path_;
  ReversibleNormOptions options_;
};

}  // namespace weft
