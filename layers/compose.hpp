#pragma once

#include <functional>
#include <initializer_list>
#include <utility>
#include <vector>

#include <weft/autograd/ops.hpp>
#include <weft/autograd/var.hpp>

namespace weft {

/// x + inner(x) for any layer: `Residual(Linear(s / "a", 8, 8))`.
template <class Inner>
class Residual {
 public:
  explicit Residual(Inner inner) : inner_(std::move(inner)) {}
  Var operator()(Var x) const { return inner_(x) + x; }
  const Inner& inner() const { return inner_; }

 private:
  Inner inner_;
};

/// Layers and ops one after another, known only when the program runs: `Sequential{Linear(…), relu, Linear(…)}`. Nests.
class Sequential {
 public:
  /// Any layer, or an op such as relu.
  class Step {
   public:
    Step(Var (*op)(Var)) : call_(op) {}
    template <class Layer>
    requires requires(const Layer& layer, Var x) { Var(layer(x)); }
    Step(Layer layer) : call_(std::move(layer)) {}
    Var operator()(Var x) const { return call_(x); }

   private:
    std::function<Var(Var)> call_;
  };

  Sequential() = default;
  Sequential(std::initializer_list<Step> steps) : steps_(steps) {}

  Sequential& add(Step step) {
    steps_.push_back(std::move(step));
    return *this;
  }
  Var operator()(Var x) const {
    for (const Step& step : steps_) x = step(x);
    return x;
  }
  std::size_t size() const { return steps_.size(); }

 private:
  std::vector<Step> steps_;
};

}  // namespace weft
