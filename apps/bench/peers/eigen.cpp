// Compiled for the machine that builds it, unlike everything else here: Eigen is a library of headers and has no run-time dispatch.
#include <weft/apps/bench/peers/peers.hpp>

#ifdef WEFT_BENCH_EIGEN
#include <Eigen/Core>
#include <Eigen/SparseCore>
#include <memory>
#include <vector>

#include <weft/apps/bench/noise.hpp>
#include <weft/core/text.hpp>

namespace weft::bench::peers::eigen {

namespace {

using Dense = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Sparse = Eigen::SparseMatrix<float, Eigen::RowMajor>;

Dense noise_matrix(std::int64_t rows, std::int64_t cols) {
  Dense m(rows, cols);
  fill_noise(m.data(), rows * cols);
  return m;
}

}  // namespace

std::string version() {
  return cat(EIGEN_WORLD_VERSION, ".", EIGEN_MAJOR_VERSION, ".", EIGEN_MINOR_VERSION, ", ", Eigen::SimdInstructionSetsInUse());
}

void set_threads(int n) { Eigen::setNbThreads(n); }

Call gemm(std::int64_t m, std::int64_t n, std::int64_t k) {
  struct Operands {
    Dense a, b, c;
  };
  const auto o = std::make_shared<Operands>(Operands{noise_matrix(m, k), noise_matrix(k, n), noise_matrix(m, n)});
  return [o] { o->c.noalias() = o->a * o->b; };
}

Call sparse_product(std::int64_t rows, std::int64_t cols, std::int64_t n, const std::int64_t* row_ptr, const std::int32_t* col) {
  struct Operands {
    Sparse a;
    Dense b, c;
  };
  const auto o = std::make_shared<Operands>(Operands{Sparse(rows, cols), noise_matrix(cols, n), noise_matrix(rows, n)});
  const std::int64_t nnz = row_ptr[rows];
  std::vector<int> outer(row_ptr, row_ptr + rows + 1);
  const std::vector<float> values = noise(nnz);
  o->a = Eigen::Map<const Sparse>(rows, cols, nnz, outer.data(), col, values.data());
  return [o] { o->c.noalias() = o->a * o->b; };
}

}  // namespace weft::bench::peers::eigen

#else
namespace weft::bench::peers::eigen {
std::string version() { return {}; }
void set_threads(int) {}
Call gemm(std::int64_t, std::int64_t, std::int64_t) { return {}; }
Call sparse_product(std::int64_t, std::int64_t, std::int64_t, const std::int64_t*, const std::int32_t*) { return {}; }
}  // namespace weft::bench::peers::eigen
#endif
