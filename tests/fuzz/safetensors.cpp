#include <cstddef>
#include <cstdint>
#include <string>

#include <unistd.h>

#include <weft/core/error.hpp>
#include <weft/core/files/safetensors.hpp>
#include <weft/tests/fuzz/memory_file.hpp>

namespace {

/// What was read can be written and reads back equal.
void check_round_trip(const weft::ArrayFile& read) {
  const std::string path = "/dev/shm/weft-fuzz-" + std::to_string(::getpid());
  weft::write_safetensors(path, read);
  const weft::ArrayFile again = weft::read_safetensors(path);
  WEFT_CHECK(again.metadata == read.metadata && again.arrays.size() == read.arrays.size());
  for (const weft::NamedArray& array : read.arrays) {
    const weft::NamedArray* found = again.find(array.name);
    WEFT_CHECK(found != nullptr && found->type == array.type && found->shape == array.shape && found->bytes == array.bytes);
  }
  ::unlink(path.c_str());
}

}  // namespace

/// Any bytes read as safetensors give arrays that survive a round trip or a FormatError.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const weft::fuzz::MemoryFile file(bytes, size);
  weft::ArrayFile read;
  try {
    read = weft::read_safetensors(file.path());
  } catch (const weft::FormatError&) {
    return 0;
  }
  check_round_trip(read);
  return 0;
}
