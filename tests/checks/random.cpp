#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include <weft/core/random.hpp>

using namespace weft;

// Known answers published with Random123 (kat_vectors, philox4x32 10).
TEST_CASE("philox4x32-10 gives its published answers") {
  using Words = std::array<std::uint32_t, 4>;
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("hash_name is FNV-1a") {
  CHECK(hash_name("") == 0xcbf29ce484222325ULL);
  CHECK(hash_name("a") == 0xaf63dc4c8601ec8cULL);
  CHECK(hash_name("foobar") == 0x85944171f73967e8ULL);
}

TEST_CASE("a draw is a function of seed, stream and index alone") {
  const Random a(42, 7), b(42, 7), other_seed(43, 7), other_stream(42, 8);
  CHECK(a.word(1000) == b.word(1000));  // in any order
  CHECK(a.word(0) == b.word(0));
  int equal = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) equal += (a.word(i) == other_seed.word(i)) + (a.word(i) == other_stream.word(i));
  CHECK(equal == 0);
  CHECK(a.word(0) == philox4x32({0, 0, 7, 0}, {42, 0})[0]);
  CHECK(a.word(7) == philox4x32({1, 0, 7, 0}, {42, 0})[3]);
  const std::uint64_t far = (std::uint64_t{1} << 40) + 2;
  CHECK(a.word(far) == philox4x32({0, 1u << 6, 7, 0}, {42, 0})[2]);
}

TEST_CASE("uniform draws fill [0, 1) evenly") {
  const Random random(1, 2);
  constexpr int kDraws = 100000, kBins = 10;
  std::vector<int> bin(kBins);
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const double u = random.uniform(i);
    REQUIRE(u >= 0);
    REQUIRE(u < 1);
    ++bin[static_cast<std::size_t>(u * kBins)];
  }
  for (const int count : bin) CHECK(std::abs(count - kDraws / kBins) < 5 * std::sqrt(kDraws / kBins));
}

TEST_CASE("normal draws have mean 0, variance 1 and kurtosis 3, and are finite") {
  const Random random(1, 3);
  constexpr int kDraws = 100000;
  double sum = 0, squares = 0, fourths = 0;
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const double z = random.normal(i);
    REQUIRE(std::isfinite(z));
    sum += z, squares += z * z, fourths += z * z * z * z;
  }
  CHECK(std::abs(sum / kDraws) < 0.015);
  CHECK(std::abs(squares / kDraws - 1) < 0.02);
  CHECK(std::abs(fourths / kDraws - 3) < 0.15);
}

TEST_CASE("below stays below and reaches every integer") {
  const Random random(5, 1);
  std::vector<int> seen(7);
  for (std::uint64_t i = 0; i < 700; ++i) {
    const std::uint32_t draw = random.below(i, 7);
    REQUIRE(draw < 7);
    ++seen[draw];
  }
  for (const int count : seen) CHECK(count > 50);
  for (std::uint64_t i = 0; i < 10; ++i) CHECK(random.below(i, 1) == 0);
}
