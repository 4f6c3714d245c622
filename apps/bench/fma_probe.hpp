#pragma once

#include <weft/apps/bench/measure.hpp>

namespace weft::bench {

/// FLOPs of one call of the probe on all threads().
double fma_probe_flops();
/// Fused multiply-adds in registers and nothing else, on threads() threads in the instruction set in use: what a product
/// could reach here and now. Every share of a table is relative to the probe of the same rounds.
Candidate fma_probe();

}  // namespace weft::bench
