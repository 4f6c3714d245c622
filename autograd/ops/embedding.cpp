// A lookup is the product of a matrix's transpose with one-hot columns: the ids.
#include <weft/autograd/ops.hpp>
#include <weft/autograd/ops/operands.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>
#include <weft/kernels/lookup.hpp>

namespace weft {

Var embedding(const PatternPtr& pattern, Var table, const Tensor& ids) {
  Tape& tape = table.tape();
  require_float("embedding", table);
  require_plain("embedding", "the table", table, pattern->values_size());
  require_ids("embedding", tape, ids, pattern->rows());
  const Tensor y = Tensor::tiled(table.dtype(), ids.rows().with_back(pattern->cols()), ids.columns(), tape.pool());
  kernels::lookup(*pattern, table.value(), ids, y);
  return tape.record("embedding", y, {table},
                     [pattern, ids](const Tensor& dy, GradSink& grads) { kernels::lookup_grad(*pattern, ids, dy, grads.running_sum(0)); });
}

}  // namespace weft
