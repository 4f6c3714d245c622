#include <cstddef>
#include <cstdint>
#include <vector>

#include <weft/core/error.hpp>
#include <weft/data/tokens.hpp>
#include <weft/tests/fuzz/memory_file.hpp>

namespace {

void check_ids(const std::vector<std::int32_t>& ids, const weft::Vocabulary& vocabulary) {
  WEFT_CHECK(ids.size() > 1 && vocabulary.word(ids.back()) == weft::kEndOfLine);
  for (const std::int32_t id : ids) WEFT_CHECK(id >= 0 && id < vocabulary.size());
}

}  // namespace

/// Any bytes read as a text that is split by its lines give three parts of known words, each with its last line's end, or a FormatError.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const weft::fuzz::MemoryFile file(bytes, size);
  for (const std::int64_t least : {1, 2}) {
    try {
      const weft::TokenData data = weft::load_own_text(file.path(), least);
      for (const auto* part : {&data.train, &data.valid, &data.test}) check_ids(*part, data.vocabulary);
    } catch (const weft::FormatError&) {
    }
  }
  return 0;
}
