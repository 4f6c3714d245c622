#pragma once

#include <cstdint>
#include <vector>

#include <weft/core/tensor.hpp>

namespace weft::kernels {

/// What a step of a recurrence makes of its input part z (bias included) and the hidden parts of its predecessors.
/// With one predecessor gru and lstm are torch.nn's, their gates in its order.
enum class Cell : std::uint8_t {
  linear,  ///< h = z + Σ zh
  tanh,    ///< h = tanh(z + Σ zh): Elman's
  relu,    ///< h = max(0, z + Σ zh)
  gru,     ///< r, u = σ(z + Σ zh), n = tanh(z_n + r∘(b + Σ zh_n)), h = (1 - u)∘n + u∘(mean of the predecessors' h); gates r, u, n
  lstm     ///< c = i∘g + Σ f_e∘c_e with a forget gate f_e = σ(z_f + zh_f,e) for each predecessor e, h = o∘tanh(c); gates i, f, g, o
};
/// Rows of z for each row of h.
int gates(Cell cell);
const char* name_of(Cell cell);

/// One step. Everything has `units` rows for each gate; h, c and those of the predecessors have `units`.
struct CellStep {
  Tensor z;                    ///< in: the input part; if `hidden` is empty, with the hidden part added. Out: what backward reads
  std::vector<Tensor> hidden;  ///< one for each predecessor, or none where their sum is all that the cell needs
  std::vector<Tensor> h_before, c_before;  ///< of the predecessors
  Tensor hidden_bias;                      ///< gru: plain [units], b above
  Tensor h, c;                             ///< out; c for lstm only
};
/// Throws nothing: the op has checked.
void cell(Cell which, const CellStep& step);

/// Gradients around a step. dh and dc are complete; those of the predecessors are added to.
struct CellGradients {
  Tensor dh, dc;
  std::vector<Tensor> dh_before, dc_before;
  Tensor dhidden;  ///< gru: [units], the gradient of b + Σ zh_n
};
/// Turns step.z into the gradient of the input part and each of step.hidden into that of its hidden part.
void cell_grad(Cell which, const CellStep& step, const CellGradients& g);

}  // namespace weft::kernels
