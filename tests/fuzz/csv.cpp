#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>
#include <weft/data/csv.hpp>
#include <weft/tests/fuzz/memory_file.hpp>

/// Any bytes read as CSV give rows of equally many fields of text or a FormatError.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const weft::fuzz::MemoryFile file(bytes, size);
  for (const char separator : {',', ';'}) {
    try {
      weft::Csv csv("fuzz", file.path(), {.separator = separator});
      std::size_t columns = 0;
      for (std::vector<std::string> row; csv.next(row); columns = row.size()) {
        WEFT_CHECK(!row.empty() && (columns == 0 || columns == row.size()));
        for (const std::string& field : row) WEFT_CHECK(weft::invalid_utf8(field) == std::string::npos);
      }
    } catch (const weft::FormatError&) {
    }
  }
  return 0;
}
