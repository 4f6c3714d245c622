#include <weft/core/random.hpp>

#include <cmath>
#include <numbers>

namespace weft {

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> k) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = kMultiplier0 * c[0], p1 = kMultiplier1 * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(p0)};
    k = {k[0] + kWeyl0, k[1] + kWeyl1};
  }
  return c;
}

std::uint64_t hash_name(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

std::uint32_t Random::word(std::uint64_t i) const {
  const std::uint64_t block = i / 4;
  const auto words = philox4x32({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                                 static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32)},
                                {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)});
  return words[i % 4];
}

double Random::uniform(std::uint64_t i) const { return word(i) * 0x1p-32; }

double Random::normal(std::uint64_t i) const {
  const double radius = std::sqrt(-2.0 * std::log((word(2 * i) + 1.0) * 0x1p-32));
  return radius * std::cos(2.0 * std::numbers::pi * uniform(2 * i + 1));
}

std::uint32_t Random::below(std::uint64_t i, std::uint32_t n) const { return static_cast<std::uint32_t>(std::uint64_t{word(i)} * n >> 32); }

}  // namespace weft
