#pragma once

// Accumulator arrays stay in registers only if every loop over them is unrolled; the loop around them must not be, since unrolled
// copies compete for the same registers. (g++ 12: 46 instead of 153 GF/s on a Cascade Lake core; tests/checks/hot_loops.sh looks.)
#ifdef __clang__
#define WEFT_UNROLL _Pragma("clang loop unroll(full)")
#define WEFT_NO_UNROLL _Pragma("clang loop unroll(disable)")
#else
#define WEFT_UNROLL _Pragma("GCC unroll 64")
#define WEFT_NO_UNROLL _Pragma("GCC unroll 1")
#endif
