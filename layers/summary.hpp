#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <weft/autograd/var.hpp>
#include <weft/core/dtype.hpp>
#include <weft/core/shape.hpp>

namespace weft {

/// What a model consists of, one line a layer call in the order of the forward pass.
struct Summary {
  struct Line {
    std::string path, kind;
    Shape out;
    std::string pattern;  ///< its name; empty for layers that are no matrix
    std::int64_t blocks = 0, nnz = 0;
    std::int64_t parameters = 0;  ///< trained numbers; 0 where an earlier line counted them
    double dense_fraction = 0;    ///< nnz / (rows·cols); 0 without a pattern
    std::int64_t flops = 0;       ///< of a forward pass per sample: 2·nnz
    std::int64_t bytes = 0;       ///< stored parameters and indices; 0 where an earlier line counted them
  };
  std::vector<Line> lines;
  Line total;  ///< sums; dense_fraction is that of all matrices together

  /// A table.
  std::string str() const;
};

struct SummaryOptions {
  Dtype dtype = Dtype::f32;  ///< of the input: the store's
};

/// The layers that one dry forward pass in evaluation mode (one sample of zeros) calls.
Summary summarise(const std::function<Var(Var)>& net, const Shape& rows, SummaryOptions options);

/// `summary(net, {28, 28, 1}).str()`: see Summary.
template <class Net>
Summary summary(const Net& net, const Shape& rows, SummaryOptions options = {}) {
  return summarise([&net](Var x) { return net(x); }, rows, options);
}

}  // namespace weft
