#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <weft/autograd/gradcheck.hpp>
#include <weft/layers/scope.hpp>

namespace weft {

struct CheckLayerOptions {
  Form form = Form::sparse;
  std::vector<std::int64_t> columns = {1, 9, 17};  ///< numbers of samples tried
  GradcheckOptions gradcheck = {};
  std::uint64_t seed = 42;
};

struct CheckLayerResult {
  bool passed = true;
  std::string report;  ///< one line a check, failures first
  explicit operator bool() const { return passed; }
};

/// A layer under check: its call and, if it is a matrix, its dense form (row-major; empty otherwise) and bias path.
struct CheckedLayer {
  std::function<Var(Var)> call;
  std::function<std::vector<double>()> to_dense;
};

/// What check_layer() runs, on a layer that is already type-erased.
CheckLayerResult check_built_layer(const std::function<CheckedLayer(const Scope&)>& build, const Shape& rows,
                                   const CheckLayerOptions& options);

/// Checks a layer that `make(scope)` builds, in f64 and the given form: gradients of its input and of every parameter
/// against central differences, for every number of columns; for layers with to_dense() also y = S·x + b against the dense
/// matrix, ⟨S·x, d⟩ = ⟨x, Sᵀ·d⟩ and ⟨S(θ)·x + b, d⟩ = ⟨θ, dθ⟩ + ⟨b, db⟩.
///   REQUIRE(check_layer([](Scope s) { return Linear(s, 5, 3); }, {5}));
///   REQUIRE(check_layer<MyBlock>({8, 8, 3}));                              // MyBlock(Scope)
template <class Make>
requires requires(const Make& make, const Scope& s) { make(s); }
CheckLayerResult check_layer(const Make& make, const Shape& rows, const CheckLayerOptions& options = {}) {
  const auto build = [&make](const Scope& s) {
    auto layer = make(s);
    CheckedLayer checked;
    checked.call = [layer](Var x) { return layer(x); };
    if constexpr (requires { std::vector<double>(layer.to_dense()); }) checked.to_dense = [layer] { return layer.to_dense(); };
    return checked;
  };
  return check_built_layer(build, rows, options);
}

template <class Layer>
CheckLayerResult check_layer(const Shape& rows, const CheckLayerOptions& options = {}) {
  return check_layer([](const Scope& s) { return Layer(s); }, rows, options);
}

}  // namespace weft
