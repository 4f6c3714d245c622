#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <weft/core/shape.hpp>

namespace weft {

/// An array of bytes with its extents, row-major: images [n, h, w] or labels [n].
struct IdxArray {
  Shape shape;
  std::vector<std::uint8_t> bytes;
};

/// Reads an idx file of unsigned bytes, plain or gzip. The header is `00 00 08 rank`, then one big-endian 32-bit extent an
/// axis (format: http://yann.lecun.com/exdb/mnist/); the bytes must fill the extents exactly.
/// Cost: memory of the array, for a gzip file at most 64 times the file's size: what inflates by more is refused, and may be unpacked
/// before. A malformed file allocates at most 16 times its own size.
/// Throws FormatError, with the file and the byte, for anything else.
IdxArray read_idx(const std::string& path, int rank);

}  // namespace weft
