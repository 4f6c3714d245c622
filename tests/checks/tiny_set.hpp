#pragma once

#include <cstdint>

#include <weft/data/dataset.hpp>

namespace weft::checks {

/// Images whose pixels tell where they come from: sample n has n % 251 + 1 at the first pixel and a ramp behind it.
inline ImageSet tiny_set(std::int64_t size, Lattice lattice = {3, 4, 1}, int classes = 10) {
  ImageSet set{lattice, classes, size, {}, {}};
  for (std::int64_t n = 0; n < size; ++n) {
    for (std::int64_t p = 0; p < lattice.size(); ++p)
      set.pixels.push_back(static_cast<std::uint8_t>(p == 0 ? n % 251 + 1 : 10 * p + n % 7));
    set.labels.push_back(static_cast<std::int32_t>(n % classes));
  }
  return set;
}

}  // namespace weft::checks
