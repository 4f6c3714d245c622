#pragma once

#include <string>

#include <weft/layers/layer_call.hpp>
#include <weft/layers/scope.hpp>

namespace weft {

/// In training zeroes each value with probability p and scales the rest by 1/(1−p); in evaluation does nothing.
/// The draw keys on (seed, step, path, row, global column). Throws ConfigError unless 0 <= p < 1.
class Dropout {
 public:
  Dropout(const Scope& s, double p);

  Var operator()(Var x) const;
  double p() const { return p_; }

 private:
  std::string path_;
  double p_;
};

}  // namespace weft
