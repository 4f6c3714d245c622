#include <cstddef>
#include <cstdint>
#include <vector>

#include <weft/core/error.hpp>
#include <weft/data/jpeg.hpp>

/// Any bytes decode as a JPEG, which fills its pixels and no more, or give a FormatError.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  try {
    weft::Jpeg jpeg({bytes, size}, "fuzz.jpg");
    const std::int64_t positions = std::int64_t{1} * jpeg.height() * jpeg.width();
    WEFT_CHECK(positions > 0 && positions <= std::int64_t{1} << 26);
    if (positions > 1 << 16) return 0;  // as slow as it is large
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(3 * positions));
    jpeg.decode(pixels.data());
  } catch (const weft::FormatError&) {
  }
  return 0;
}
