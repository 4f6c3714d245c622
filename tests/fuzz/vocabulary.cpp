#include <cstddef>
#include <cstdint>

#include <weft/core/error.hpp>
#include <weft/data/vocabulary.hpp>
#include <weft/tests/fuzz/memory_file.hpp>

/// Any bytes read as a vocabulary give words that find their ids, or a FormatError.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const weft::fuzz::MemoryFile file(bytes, size);
  try {
    const weft::Vocabulary vocabulary = weft::Vocabulary::load(file.path());
    WEFT_CHECK(vocabulary.size() > 0);
    for (std::int32_t id = 0; id < vocabulary.size(); ++id) WEFT_CHECK(vocabulary.id(vocabulary.word(id)) == id);
  } catch (const weft::FormatError&) {
  }
  return 0;
}
