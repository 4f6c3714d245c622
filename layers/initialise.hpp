#pragma once

#include <cstdint>
#include <functional>

#include <weft/core/random.hpp>

namespace weft {

/// Connections into and out of one unit: for sparse layers the mean over what is stored.
struct Fans {
  double in = 1, out = 1;
};

/// The i-th initial value of an array, i counting in the field's order, so that every form starts from equal numbers.
using Initialiser = std::function<double(const Random& draws, std::uint64_t i, Fans fans)>;

/// Ways to draw initial weights.
namespace initialise {

/// U(±sqrt(6 / ((1 + a²)·fan_in))): He et al. 2015, arXiv 1502.01852. a = sqrt(5) gives U(±1/sqrt(fan_in)), PyTorch's default.
Initialiser kaiming_uniform(double a);
/// N(0, 2 / ((1 + a²)·fan_in)).
Initialiser kaiming_normal(double a);
/// U(±gain·sqrt(6 / (fan_in + fan_out))): Glorot and Bengio 2010.
Initialiser xavier_uniform(double gain);
/// N(0, gain²·2 / (fan_in + fan_out)).
Initialiser xavier_normal(double gain);
/// N(0, deviation²) redrawn outside two deviations.
Initialiser truncated_normal(double deviation);
Initialiser constant(double value);
/// U(±1/sqrt(fan_in)) for weights and biases: PyTorch's default for linear layers and convolutions.
Initialiser torch_default();

}  // namespace initialise

}  // namespace weft
