#pragma once

#include <functional>
#include <string>
#include <vector>

#include <weft/autograd/tape.hpp>

namespace weft {

struct GradcheckOptions {
  double step = 1e-6, atol = 1e-8, rtol = 1e-6;
  std::uint64_t seed = 42;
  /// Elements tried per input; all if there are fewer. Beyond that a random choice.
  int most = 400;
};

struct GradcheckResult {
  bool passed = true;
  std::string report;      ///< the worst element: input, index, analytic and numeric value
  double worst_error = 0;  ///< |analytic - numeric| / (atol + rtol·max(|analytic|, |numeric|)); passed means <= 1
};

/// Compares the tape's gradients of sum(weights ∘ f(inputs)) (weights random, so every output counts) with central
/// differences in double. Inputs must be f64, plain or tiled; padding lanes must receive zero gradient.
/// Call it away from kinks. Throws UsageError if an input is not f64.
GradcheckResult gradcheck(const std::function<Var(Tape&, const std::vector<Var>&)>& f, const std::vector<Tensor>& inputs,
                          GradcheckOptions options = {});

}  // namespace weft
