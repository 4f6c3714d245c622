#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <weft/core/files/safetensors.hpp>

namespace weft::detail {

/// An array of a header: everything but its bytes, which lie at [begin, end) behind the header.
struct HeaderEntry {
  NamedArray array;
  std::uint64_t begin = 0, end = 0;
};

struct Header {
  std::map<std::string, std::string> metadata;
  std::vector<HeaderEntry> entries;
};

/// The header of `data_size` bytes of arrays, strictly read: only the known keys, each once; offsets that fill the data without
/// gap or overlap; entries sorted by them. `first_byte` is where the text stands in the file `path`. Throws FormatError.
Header parse_header(const std::string& text, std::uint64_t data_size, const std::string& path, std::int64_t first_byte);

/// The header's text for arrays laid end to end in this order. Throws UsageError for names that cannot be written.
/// It begins with kBeforeChecksum and eight zeros, the place of the file's checksum.
std::string header_text(const std::map<std::string, std::string>& metadata, const std::vector<const NamedArray*>& arrays);

/// Metadata of this name are the file's CRC-32, eight hexadecimal digits, taken while zeros stood in their place.
inline constexpr std::string_view kChecksum = "crc32";
inline constexpr std::string_view kBeforeChecksum = R"({"__metadata__":{"crc32":")";
inline constexpr std::string_view kNoChecksum = "00000000";

std::int64_t size_of(ArrayType type);
/// "U8", "I32", "I64", "F32", "F64".
const char* name_of(ArrayType type);

}  // namespace weft::detail
