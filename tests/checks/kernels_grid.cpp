// Every row of the kernel table against the oracle, at the sizes that kernels.cpp leaves out.

#include <vector>

#include <doctest/doctest.h>

#include <weft/tests/checks/product_cases.hpp>

using namespace weft;
using namespace weft::checks;

namespace {

const std::vector<Size> kSizes{{9, Dtype::f32}, {65, Dtype::f32}, {130, Dtype::f32}, {1, Dtype::f64},
                               {9, Dtype::f64}, {17, Dtype::f64}, {65, Dtype::f64}};

}  // namespace

TEST_CASE("every forward row equals the oracle, and the literal row in bits where the order is equal") {
  for_each_case(kSizes, check_forward);
}
TEST_CASE("every transposed row equals the oracle") { for_each_case(kSizes, check_transposed); }
TEST_CASE("every weight gradient row equals the oracle, bias included") { for_each_case(kSizes, check_weights); }
