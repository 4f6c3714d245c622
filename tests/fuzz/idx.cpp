#include <cstddef>
#include <cstdint>

#include <weft/core/error.hpp>
#include <weft/core/files/idx.hpp>
#include <weft/tests/fuzz/memory_file.hpp>

/// Any bytes read as idx, plain or gzip, give an array that fills its shape or a FormatError.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const weft::fuzz::MemoryFile file(bytes, size);
  for (const int rank : {1, 3}) {
    try {
      const weft::IdxArray array = weft::read_idx(file.path(), rank);
      WEFT_CHECK(static_cast<std::int64_t>(array.bytes.size()) == array.shape.size());
    } catch (const weft::FormatError&) {
    }
  }
  return 0;
}
