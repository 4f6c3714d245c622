#include <cstddef>
#include <cstdint>
#include <string>

#include <weft/core/error.hpp>
#include <weft/data/ag_news.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

namespace {

void check_filled(const weft::TextSet& set, const weft::Vocabulary& vocabulary) {
  WEFT_CHECK(set.size() > 0);
  weft::check_consistent(set, "fuzz");
  for (const std::int32_t id : set.ids) WEFT_CHECK(id > 0 && id < vocabulary.size());
}

}  // namespace

/// Any bytes read as labelled texts of one class give sets of known tokens or a FormatError, as words and as characters.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const weft::oracle::ScratchFolder folder;
  static const std::string classes = folder.write("classes.txt", "a\n");
  const std::string text(bytes, bytes + size);
  folder.write("train.csv", text);
  folder.write("test.csv", text);
  for (const weft::Tokenizer tokenizer : {weft::Tokenizer::words, weft::Tokenizer::characters}) {
    try {
      const weft::TextData data = weft::load_ag_news(folder.path(), {.tokenizer = tokenizer});
      check_filled(data.train, data.vocabulary);
      check_filled(data.test, data.vocabulary);
    } catch (const weft::FormatError&) {
    }
  }
  return 0;
}
