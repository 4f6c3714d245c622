#pragma once

#include <functional>
#include <vector>

#include <weft/core/random.hpp>
#include <weft/core/shape.hpp>

namespace weft {

/// Connections into and out of one unit: for sparse layers the mean over what is stored.
struct Fans {
  double in = 1, out = 1;
};

/// The initial values of an array in the field's shape and order, so that every form starts from equal numbers.
using Initialiser = std::function<std::vector<double>(const Random& draws, const Shape& field, Fans fans)>;

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
/// U(±bound).
Initialiser uniform(double bound);
/// N(0, deviation²).
Initialiser normal(double deviation);
/// N(0, deviation²) redrawn outside two deviations.
Initialiser truncated_normal(double deviation);
/// gain·Q, Q drawn uniformly among the matrices with orthonormal columns, or rows where they are fewer: Saxe et al. 2014, arXiv
/// 1312.6120. The matrix has a row for each index of the field's first axis; the other axes are its columns, as in PyTorch.
/// Cost: (4/3)n³ twice for n rows and columns, in double, on one thread. Throws ShapeError for a field of one axis (density below 1).
Initialiser orthogonal(double gain);
Initialiser constant(double value);
/// U(±1/sqrt(fan_in)) for weights and biases: PyTorch's default for linear layers and convolutions.
Initialiser torch_default();

}  // namespace initialise

}  // namespace weft
