#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <weft/autograd/tape.hpp>
#include <weft/layers/parameter_store.hpp>

namespace weft {

/// Moves the parameters of a store along their gradients. Seals the store; each of its states lies in one arena beside the
/// values, so that a step is one flat pass. Equal bits for any number of threads.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// One step. Parameters that no gradient reached, or that are not trainable, stay as they are.
  void step(const Gradients& gradients, double lr);
  /// Steps taken.
  std::int64_t steps() const { return steps_; }

  /// Step count and per-parameter state, for checkpoints: "step", "c1.weight.momentum", …
  State state() const;
  /// Throws UsageError listing everything missing, unexpected or of the wrong size; then nothing has changed.
  void load(const State& state);
  /// Throws as load, and changes nothing.
  void check_fits(const State& state) const;

 protected:
  /// A run of elements with one set of factors; pointers are elements into the arenas.
  struct Piece {
    std::int64_t first, count;
    double lr_scale;
    bool decay;
  };
  Optimizer(ParamStore& params, std::vector<std::string> state_names);

  /// Updates one piece; called in parallel for disjoint pieces. `t` is the number of this step, from 1.
  virtual void update(const Piece& piece, double lr, std::int64_t t) const = 0;

  const Tensor& values() const { return params_.value_arena(); }
  const Tensor& gradients() const { return params_.gradient_arena(); }
  const Tensor& state_arena(std::size_t i) const { return states_[i]; }

 private:
  void lay_out();
  std::map<std::string, Tensor> segments() const;
  Tensor segment(std::size_t state, std::size_t parameter) const;

  ParamStore& params_;
  std::vector<std::string> names_;
  std::vector<Tensor> states_;
  std::vector<std::pair<ParamPtr, std::int64_t>> laid_out_;  // parameter and its offset in the state arenas
  std::uint64_t generation_ = 0;
  std::int64_t steps_ = 0;
};

}  // namespace weft
