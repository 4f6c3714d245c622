#include <weft/apps/bench/peers/peers.hpp>

#ifdef WEFT_BENCH_OPENBLAS
#include <cblas.h>
#include <memory>
#include <vector>

#include <weft/apps/bench/noise.hpp>
#include <weft/core/text.hpp>

namespace weft::bench::peers::openblas {

std::string version() { return cat(openblas_get_config(), ", kernels for ", openblas_get_corename()); }

void set_threads(int n) { openblas_set_num_threads(n); }

Call gemm(std::int64_t m, std::int64_t n, std::int64_t k) {
  struct Operands {
    std::vector<float> a, b, c;
  };
  const auto o = std::make_shared<Operands>(Operands{noise(m * k), noise(k * n), noise(m * n)});
  const int rows = static_cast<int>(m), cols = static_cast<int>(n), depth = static_cast<int>(k);
  return [o, rows, cols, depth] {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, cols, depth, 1.0F, o->a.data(), depth, o->b.data(), cols, 0.0F,
                o->c.data(), cols);
  };
}

}  // namespace weft::bench::peers::openblas

#else
namespace weft::bench::peers::openblas {
std::string version() { return {}; }
void set_threads(int) {}
Call gemm(std::int64_t, std::int64_t, std::int64_t) { return {}; }
}  // namespace weft::bench::peers::openblas
#endif
