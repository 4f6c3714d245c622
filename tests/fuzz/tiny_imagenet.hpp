#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <weft/core/error.hpp>
#include <weft/core/parallel.hpp>
#include <weft/data/tiny_imagenet.hpp>
#include <weft/tests/fuzz/memory_file.hpp>

namespace weft::fuzz {

inline void check_filled(const ImageSet& set) {
  const auto size = static_cast<std::size_t>(set.size);
  WEFT_CHECK(size > 0 && set.pixels.size() == size * static_cast<std::size_t>(set.lattice.size()) && set.labels.size() == size);
  for (const std::int32_t label : set.labels) WEFT_CHECK(label >= 0 && label < set.classes);
}

/// The bytes of a tar give sets whose arrays and labels fit them, or a FormatError.
inline void load_tar(const std::uint8_t* bytes, std::size_t size) {
  set_threads(1);
  const MemoryFile file(bytes, size);
  try {
    const ImageData data = load_tiny_imagenet(file.path());
    check_filled(data.train);
    check_filled(data.test);
    WEFT_CHECK(data.train.classes == data.test.classes);
  } catch (const FormatError&) {
  }
}

}  // namespace weft::fuzz
