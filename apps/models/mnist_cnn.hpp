#pragma once

#include <weft/autograd/ops.hpp>
#include <weft/core/shape.hpp>
#include <weft/layers/conv.hpp>
#include <weft/layers/dropout.hpp>
#include <weft/layers/linear.hpp>
#include <weft/layers/pool.hpp>
#include <weft/layers/scope.hpp>

namespace weft {

struct MnistCnnOptions {
  int classes = 10;
  double density = 1;  ///< share of 16x16 blocks that c2 (the same at every pixel) and hidden keep
  double dropout = 0;  ///< of the hidden units
};

/// Two convolutions with pooling and two linear layers: [h, w, c, N] -> [classes, N]. 206,922 parameters on 28x28x1.
struct MnistCnn {
  Conv2d c1;
  MaxPool2d p1;
  Conv2d c2;
  MaxPool2d p2;
  Linear hidden;
  Dropout drop;
  Linear head;

  MnistCnn(const Scope& s, Lattice in, MnistCnnOptions options = {})
      : c1(s / "c1", in, 16, {.kernel = 3, .pad = 1}),
        p1(s / "p1", c1.out(), {.kernel = 2}),
        c2(s / "c2", p1.out(), 32, {.kernel = 3, .pad = 1, .density = options.density}),
        p2(s / "p2", c2.out(), {.kernel = 2}),
        hidden(s / "hidden", p2.out().size(), 128, {.density = options.density}),
        drop(s / "drop", options.dropout),
        head(s / "head", 128, options.classes) {}

  Var operator()(Var x) const { return x | c1 | relu | p1 | c2 | relu | p2 | flatten | hidden | relu | drop | head; }
};

}  // namespace weft
