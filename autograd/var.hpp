#pragma once

#include <cstdint>

#include <weft/core/tensor.hpp>

namespace weft {

class Tape;

/// A value on a tape: a cheap handle that knows its tape and step. Using it after the step, or beside a Var of another
/// tape, throws UsageError.
class Var {
 public:
  Var() = default;

  Tape& tape() const;
  /// The value; runs the pending product if there is one. Read it, do not write it.
  const Tensor& value() const;
  /// A copy that no tape knows.
  Tensor detach() const;

  /// Known without computing the value.
  const Shape& rows() const;
  const ColumnsPtr& columns() const;
  Dtype dtype() const;
  bool wants_grad() const;
  std::int32_t id() const { return id_; }

 private:
  friend class Tape;
  Var(Tape* tape, std::int32_t id, std::uint64_t generation) : tape_(tape), id_(id), generation_(generation) {}

  Tape* tape_ = nullptr;
  std::int32_t id_ = -1;
  std::uint64_t generation_ = 0;
};

/// `x | layer`: a layer or op applied to a value.
template <class Layer>
requires requires(const Layer& layer, Var x) { layer(x); }
Var operator|(Var x, const Layer& layer) { return layer(x); }
inline Var operator|(Var x, Var (*op)(Var)) { return op(x); }

}  // namespace weft
