#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <weft/apps/bench/passes.hpp>
#include <weft/core/shape.hpp>

// The libraries weft is compared with. Each function hands out a call on operands of its own, filled with noise, in f32, so
// that weft and the peer do equal work; an empty call where this build lacks the library.
namespace weft::bench::peers {

using Call = std::function<void()>;

/// oneDNN, in the formats it likes best for everything (format_tag::any); nothing is reordered inside a call.
namespace onednn {
/// Version and instruction set; empty if this build lacks it.
std::string version();
/// A dense layer from `in` to `out` features on `batch` samples, or one of its gradients.
Call inner_product(Pass pass, std::int64_t out, std::int64_t in, std::int64_t batch);
/// A direct 3x3 convolution, stride 1, pad 1, or one of its gradients.
Call convolution(Pass pass, Lattice in, std::int64_t c_out, std::int64_t batch);
/// An LSTM layer, one direction, from zeros: in training mode, and the same followed by its backward pass.
struct LstmCalls {
  Call forward, step;
};
LstmCalls lstm(std::int64_t steps, std::int64_t batch, std::int64_t units);
}  // namespace onednn

namespace openblas {
std::string version();
void set_threads(int n);
/// Row-major C[m, n] = A[m, k]·B[k, n].
Call gemm(std::int64_t m, std::int64_t n, std::int64_t k);
}  // namespace openblas

namespace eigen {
std::string version();
void set_threads(int n);
Call gemm(std::int64_t m, std::int64_t n, std::int64_t k);
/// Row-major sparse times row-major dense [cols, n]; `row_ptr` and `col` are those of a CSR matrix, columns ascending.
Call sparse_product(std::int64_t rows, std::int64_t cols, std::int64_t n, const std::int64_t* row_ptr, const std::int32_t* col);
}  // namespace eigen

}  // namespace weft::bench::peers
