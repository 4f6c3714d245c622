#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include <weft/core/random.hpp>

namespace weft::checks {

inline void write_idx(const std::string& path, const std::vector<std::uint32_t>& extents, const std::vector<std::uint8_t>& bytes) {
  std::ofstream out(path, std::ios::binary);
  const auto number = [&](std::uint32_t n) {
    for (int shift = 24; shift >= 0; shift -= 8) out.put(static_cast<char>(n >> shift & 255U));
  };
  number(0x800U + static_cast<std::uint32_t>(extents.size()));
  for (const std::uint32_t extent : extents) number(extent);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

/// Images of 12x12 pixels in ten classes, each a bright square at its own place.
inline void write_square_images(const std::string& folder, const std::string& prefix, std::uint32_t size, std::uint64_t stream) {
  const Random draws(5, stream);
  std::vector<std::uint8_t> pixels, labels;
  for (std::uint32_t i = 0; i < size; ++i) {
    const std::uint32_t label = draws.below(i, 10);
    labels.push_back(static_cast<std::uint8_t>(label));
    for (std::uint32_t p = 0; p < 144; ++p) {
      const bool bright = p / 12 / 3 == label / 3 && p % 12 / 4 == label % 3;
      pixels.push_back(static_cast<std::uint8_t>(draws.below(1000 + i * 144 + p, 90) + (bright ? 160 : 0)));
    }
  }
  write_idx(folder + "/" + prefix + "-images-idx3-ubyte", {size, 12, 12}, pixels);
  write_idx(folder + "/" + prefix + "-labels-idx1-ubyte", {size}, labels);
}

}  // namespace weft::checks
