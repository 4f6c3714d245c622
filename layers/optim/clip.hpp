#pragma once

#include <weft/autograd/tape.hpp>
#include <weft/layers/parameter_store.hpp>

namespace weft {

/// The 2-norm of all gradients together, summed in double in a fixed order; NaN or infinity if any gradient has one.
double gradient_norm(const ParamStore& params, const Gradients& gradients);
/// Scales all gradients by most/norm if their norm exceeds `most`; returns the norm before. A norm that is not finite leaves
/// them alone. Throws ConfigError unless most > 0.
double clip_gradients(const ParamStore& params, const Gradients& gradients, double most);

}  // namespace weft
