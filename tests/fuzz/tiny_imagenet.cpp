#include <weft/tests/fuzz/tiny_imagenet.hpp>

/// Any bytes as a tar.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  weft::fuzz::load_tar(bytes, size);
  return 0;
}
