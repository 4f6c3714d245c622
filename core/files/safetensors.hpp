#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <weft/core/shape.hpp>
#include <weft/core/tensor.hpp>

namespace weft {

/// Element types of array files; i64 (row pointers) has no Tensor.
enum class ArrayType : std::uint8_t { u8, i32, i64, f32, f64 };

/// A row-major array under a name, as it stands in a file.
struct NamedArray {
  std::string name;
  ArrayType type = ArrayType::f32;
  Shape shape;
  std::vector<std::byte> bytes;

  /// Copies a plain or tiled tensor, the latter as row-major [rows…, N].
  static NamedArray of(std::string name, const Tensor& tensor);
  /// T: uint8_t, int32_t, int64_t, float, double. Throws ShapeError if the count is not the shape's size.
  template <class T>
  static NamedArray of(std::string name, const std::vector<T>& values, Shape shape);

  /// A plain tensor of the values. Throws UsageError for i64.
  Tensor tensor() const;
  /// The values. Throws UsageError, naming both types, if T is another.
  template <class T>
  std::vector<T> values() const;
};

/// Arrays and a map of texts: one .safetensors file.
struct ArrayFile {
  std::map<std::string, std::string> metadata;
  std::vector<NamedArray> arrays;

  /// Null if there is none of this name.
  const NamedArray* find(const std::string& name) const;
};

/// Whether a file may come without a checksum, as other programs write it.
enum class Checksum : std::uint8_t { optional, required };

/// Reads a safetensors file: 8 bytes of header length, a JSON header, the arrays without gap or overlap
/// (format: https://github.com/huggingface/safetensors). Arrays come in the order of their offsets.
/// Types U8, I32, I64, F32, F64; at most six axes.
/// Where metadata hold "crc32", it must be the checksum that write_safetensors describes; it is not given on.
/// Cost: the file's size; a malformed file allocates at most a small multiple of that.
/// Throws FormatError, with the file and the byte, for anything else.
ArrayFile read_safetensors(const std::string& path, Checksum checksum = Checksum::optional);

/// Writes it atomically, wider elements first so that every array lies aligned, with the CRC-32 of the whole file as the first of
/// the metadata, "crc32": eight hexadecimal digits, in whose place it is taken with zeros. So no bit can change unseen. A crash leaves
/// the old file or the new one.
/// Throws UsageError for a name that is reserved, given twice or not UTF-8, or bytes that do not fill their shape; FormatError
/// if the disk refuses.
void write_safetensors(const std::string& path, const ArrayFile& file);

}  // namespace weft
