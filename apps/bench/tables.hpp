#pragma once

#include <weft/apps/bench/race.hpp>

// Each function measures and prints one table with the threads that set_team left.
namespace weft::bench {

/// Blocks 16, 32, 64 at several densities, widths and N: bsr_table.cpp.
void bsr_table(Context& context);
/// Tied 3x3 convolutions: conv_table.cpp.
void conv_table(Context& context);
/// Scalar sparse matrices: csr_table.cpp.
void csr_table(Context& context);
/// Every row of kernel_table.inc: rows_table.cpp.
void rows_table(Context& context);
/// Training steps of the networks of apps/models, and inference of the MNIST network at N = 1, against PyTorch: step_table.cpp.
/// Without PyTorch only weft's times.
class PyTorch;
void step_table(Context& context, PyTorch* pytorch);
/// Whether the filter leaves anything of it.
bool wants_steps(const Context& context);
/// An LSTM layer over a window, forward and backward, against oneDNN and PyTorch: sweep_table.cpp. Without PyTorch only the others.
void sweep_table(Context& context, PyTorch* pytorch);
bool wants_sweeps(const Context& context);
/// Two layers of that network with few blocks against all blocks: density_table.cpp.
void density_table(Context& context);

}  // namespace weft::bench
