#pragma once

#include <cstdint>
#include <vector>

#include <weft/autograd/var.hpp>
#include <weft/core/tensor.hpp>
#include <weft/kernels/cells.hpp>

namespace weft {

/// A predecessor of a step: the place of its state, carried ones first, and the W_hh that it is multiplied by.
struct Predecessor {
  std::int64_t place;
  std::int64_t kind;
};

/// A recurrence the conventional way: for every step, from the first on, whom it takes.
struct NativeRecurrence {
  kernels::Cell cell;
  std::int64_t carried, kinds, units;
  std::vector<std::vector<Predecessor>> predecessors;
};

/// The weights of a recurrence as torch.nn has them. W_ih: ValueLayout{dense, gates·units, channels}; W_hh: of each kind one after another
/// a ValueLayout{dense, gates·units, units}; both biases plain [gates·units] or undefined.
struct NativeWeights {
  Var ih, hh, bias_ih, bias_hh;
};

/// The states of x's steps, [steps, units, N], of x [steps, channels, N] by a loop over them of native_linear and elementwise ops: the
/// function that sweep() computes on the same numbers, shorter sequences and lengths included. `h` and `c` are what the sequence begins
/// with, [carried, units, N] or undefined for zeros, and afterwards copies of what the next one does.
/// Throws ShapeError for more steps than there are predecessors for.
Var native_recurrence(const NativeRecurrence& r, const NativeWeights& w, Var x, Tensor& h, Tensor& c);

}  // namespace weft
