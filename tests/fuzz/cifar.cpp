#include <cstddef>
#include <cstdint>

#include <weft/core/error.hpp>
#include <weft/data/cifar.hpp>
#include <weft/tests/fuzz/memory_file.hpp>

namespace {

void check_filled(const weft::ImageSet& set) {
  const auto size = static_cast<std::size_t>(set.size);
  WEFT_CHECK(size > 0 && set.pixels.size() == size * static_cast<std::size_t>(set.lattice.size()) && set.labels.size() == size);
  for (const std::int32_t label : set.labels) WEFT_CHECK(label >= 0 && label < set.classes);
}

}  // namespace

/// Any bytes read as CIFAR records, plain or gzip, give a set whose arrays and labels fit it or a FormatError.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const weft::fuzz::MemoryFile file(bytes, size);
  for (const weft::CifarKind kind : {weft::CifarKind::ten, weft::CifarKind::hundred}) {
    try {
      check_filled(weft::read_cifar(file.path(), kind));
    } catch (const weft::FormatError&) {
    }
  }
  return 0;
}
