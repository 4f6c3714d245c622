#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <weft/autograd/tape.hpp>
#include <weft/core/sparse_pattern.hpp>

namespace weft {

/// What a layer tells about itself; summary() prints it.
struct LayerInfo {
  std::string path, kind;
  PatternPtr pattern;  ///< null for layers that are no matrix
  std::vector<ParamPtr> parameters;
  std::int64_t repeats = 1;  ///< times the pattern is applied in one call (leading row axes)
};

/// Opens a layer's path on the tape for the time of one call and hands the layer's result to a summary if one is listening.
/// In a layer: `const LayerCall call(x.tape(), path_); … return call.done(y, [&] { return info(); });`
class LayerCall {
 public:
  /// Receives each layer as it is called.
  using Listener = std::function<void(const LayerInfo& info, const Shape& out)>;

  LayerCall(Tape& tape, const std::string& path) : scope_(tape, path) {}

  template <class Info>
  Var done(Var y, Info&& info) const {
    if (listener() != nullptr) (*listener())(info(), y.rows());
    return y;
  }

  /// Listens to the calls of this thread while it lives; nests.
  class Listening {
   public:
    explicit Listening(Listener listener) : listener_(std::move(listener)), outer_(std::exchange(LayerCall::listener(), &listener_)) {}
    Listening(const Listening&) = delete;
    Listening& operator=(const Listening&) = delete;
    ~Listening() { LayerCall::listener() = outer_; }

   private:
    Listener listener_;
    const Listener* outer_;
  };

 private:
  static const Listener*& listener();

  Tape::PathScope scope_;
};

}  // namespace weft
