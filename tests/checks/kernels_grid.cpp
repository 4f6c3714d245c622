// Every row of the kernel table against the oracle, at the sizes that kernels.cpp leaves out.

#include <cstdint>
#include <memory>
#include <vector>

#include <doctest/doctest.h>

#include <weft/core/cache.hpp>
#include <weft/core/patterns.hpp>
#include <weft/tests/checks/product_cases.hpp>

using namespace weft;
using namespace weft::checks;

namespace {

const std::vector<Size> kSizes{{9, Dtype::f32}, {65, Dtype::f32}, {130, Dtype::f32}, {1, Dtype::f64},
                               {9, Dtype::f64}, {17, Dtype::f64}, {65, Dtype::f64},  {130, Dtype::f64}};

}  // namespace

TEST_CASE("every forward row equals the oracle, and the literal row in bits where the order is equal") {
  for_each_case(kSizes, check_forward);
}
TEST_CASE("every transposed row equals the oracle") { for_each_case(kSizes, check_transposed); }
TEST_CASE("every weight gradient row equals the oracle, bias included") { for_each_case(kSizes, check_weights); }

TEST_CASE("weights beyond L2 are streamed, four tiles at a time where four are left") {
  const auto check = [](int block, std::int64_t n, Dtype dtype) {
    CAPTURE(block);
    const std::int64_t cols = 400, size = static_cast<std::int64_t>(size_of(dtype));
    Operands o = operands(patterns::dense(l2_bytes() / (size * cols) + block, cols, block), n, Lanes::sixteen, dtype, 5);
    REQUIRE(o.s->values_size() * size > l2_bytes());
    o.terms = std::make_shared<Terms>(terms_of(*o.s));
    check_forward(o);
    check_transposed(o);
  };
  check(16, 64, Dtype::f32);
  check(64, 64, Dtype::f32);
  check(33, 17, Dtype::f64);
}
