#include <cmath>
#include <cstddef>
#include <cstdint>

#include <weft/core/error.hpp>
#include <weft/data/series.hpp>
#include <weft/tests/fuzz/memory_file.hpp>

/// Any bytes read as a CSV table, plain or gzip, give series of finite values or a FormatError.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const weft::fuzz::MemoryFile file(bytes, size);
  for (const int rows_per_step : {1, 4}) {
    try {
      const weft::Series series = weft::read_series(file.path(), rows_per_step);
      WEFT_CHECK(series.steps > 0 && series.count() > 0);
      WEFT_CHECK(static_cast<std::int64_t>(series.values.size()) == series.steps * series.count());
      for (const double value : series.values) WEFT_CHECK(std::isfinite(value));
    } catch (const weft::FormatError&) {
    }
  }
  return 0;
}
