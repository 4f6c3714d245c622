#include <weft/core/files/safetensors.hpp>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <type_traits>
#include <utility>

#include <zlib.h>

#include <weft/core/error.hpp>
#include <weft/core/files/atomic_file.hpp>
#include <weft/core/files/safetensors_header.hpp>
#include <weft/core/text.hpp>

namespace weft {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian and copied as they are");

namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kLongestHeader = 100'000'000;  // the format's own bound

template <class T>
constexpr ArrayType array_type() {
  if constexpr (std::is_same_v<T, std::uint8_t>) return ArrayType::u8;
  else if constexpr (std::is_same_v<T, std::int32_t>) return ArrayType::i32;
  else if constexpr (std::is_same_v<T, std::int64_t>) return ArrayType::i64;
  else if constexpr (std::is_same_v<T, float>) return ArrayType::f32;
  else return ArrayType::f64;
}

template <class F>
decltype(auto) by_dtype(Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::u8: return f(std::uint8_t{});
    case Dtype::i32: return f(std::int32_t{});
    case Dtype::f32: return f(float{});
    case Dtype::f64: break;
  }
  return f(double{});
}

Dtype tensor_dtype(const NamedArray& array) {
  switch (array.type) {
    case ArrayType::u8: return Dtype::u8;
    case ArrayType::i32: return Dtype::i32;
    case ArrayType::f32: return Dtype::f32;
    case ArrayType::f64: return Dtype::f64;
    case ArrayType::i64: break;
  }
  throw UsageError(
      {.op = "safetensors", .what = cat("array '", array.name, "' is I64, which no tensor holds"), .hint = "read values<int64_t>()"});
}

void read_bytes(std::ifstream& in, void* to, std::uint64_t count, const std::string& path) {
  if (!in.read(static_cast<char*>(to), static_cast<std::streamsize>(count)))
    throw FormatError(
        {.op = "safetensors", .path = path, .what = cat("reading ", count, " bytes failed: the file changed or the disk refused")});
}

std::uint32_t crc_after(std::uint32_t crc, const void* bytes, std::size_t count) {
  if (count == 0) return crc;
  return static_cast<std::uint32_t>(crc32_z(crc, static_cast<const Bytef*>(bytes), count));
}

/// Of the header's length and its text, in which zeros stand for the checksum.
std::uint32_t crc_of_header(const std::string& text) {
  const std::uint64_t length = text.size();
  return crc_after(crc_after(0, &length, kLengthBytes), text.data(), text.size());
}

std::string hex(std::uint32_t crc) {
  char text[9];
  std::snprintf(text, sizeof text, "%08x", crc);
  return text;
}

/// Takes the checksum out of the metadata, and puts zeros in its place in the header's text. Empty if the file states none.
std::string take_checksum(detail::Header& header, std::string& text, Checksum checksum, const std::string& path) {
  const auto found = header.metadata.find(std::string(detail::kChecksum));
  if (found == header.metadata.end()) {
    if (checksum == Checksum::optional) return {};
    throw FormatError({.op = "safetensors",
                       .path = path,
                       .what = "metadata 'crc32', the file's checksum, is missing",
                       .hint = "the file is damaged or another program wrote it: take an earlier copy"});
  }
  const std::string stated = std::move(found->second);
  header.metadata.erase(found);
  const std::size_t at = detail::kBeforeChecksum.size(), digits = detail::kNoChecksum.size();
  if (!text.starts_with(detail::kBeforeChecksum) || text.compare(at, digits, stated) != 0)
    throw FormatError({.op = "safetensors",
                       .path = path,
                       .what = cat("metadata 'crc32' is '", stated, "', not eight digits at byte ", kLengthBytes + at),
                       .hint = "the file is damaged: take an earlier copy; a program that rewrites a file must leave 'crc32' out"});
  text.replace(at, digits, detail::kNoChecksum);
  return stated;
}

void check_crc(const std::string& stated, std::uint32_t crc, const std::string& path) {
  if (stated.empty() || stated == hex(crc)) return;
  throw FormatError({.op = "safetensors",
                     .path = path,
                     .what = cat("the file has the CRC-32 ", hex(crc), ", its metadata state ", stated),
                     .hint = "the file is damaged: take an earlier copy"});
}

}  // namespace

NamedArray NamedArray::of(std::string name, const Tensor& tensor) {
  return by_dtype(tensor.dtype(), [&](auto zero) {
    const Shape extents = tensor.is_tiled() ? tensor.rows() + tensor.columns()->count : tensor.rows();
    return of(std::move(name), unpack_rows<decltype(zero)>(tensor), extents);
  });
}

template <class T>
NamedArray NamedArray::of(std::string name, const std::vector<T>& values, Shape shape) {
  if (static_cast<std::int64_t>(values.size()) != shape.size())
    throw ShapeError({.op = "safetensors", .path = name, .what = cat(values.size(), " values do not fill ", shape.str())});
  NamedArray array{std::move(name), array_type<T>(), shape, std::vector<std::byte>(values.size() * sizeof(T))};
  if (!values.empty()) std::memcpy(array.bytes.data(), values.data(), array.bytes.size());
  return array;
}

template <class T>
std::vector<T> NamedArray::values() const {
  if (type != array_type<T>())
    throw UsageError(
        {.op = "safetensors",
         .what = cat("array '", name, "' is ", detail::name_of(type), ", ", detail::name_of(array_type<T>()), " values were asked for")});
  std::vector<T> copy(bytes.size() / sizeof(T));
  if (!copy.empty()) std::memcpy(copy.data(), bytes.data(), bytes.size());
  return copy;
}

Tensor NamedArray::tensor() const {
  Tensor plain = Tensor::plain(tensor_dtype(*this), shape);
  if (!bytes.empty()) std::memcpy(plain.bytes(), bytes.data(), bytes.size());
  return plain;
}

const NamedArray* ArrayFile::find(const std::string& name) const {
  const auto found = std::find_if(arrays.begin(), arrays.end(), [&](const NamedArray& array) { return array.name == name; });
  return found == arrays.end() ? nullptr : &*found;
}

ArrayFile read_safetensors(const std::string& path, Checksum checksum) {
  std::error_code failure;
  if (!std::filesystem::is_regular_file(path, failure))
    throw FormatError({.op = "safetensors", .path = path, .what = failure ? failure.message() : "not a regular file"});
  const std::uint64_t size = std::filesystem::file_size(path, failure);
  std::ifstream in(path, std::ios::binary);
  if (failure || !in) throw FormatError({.op = "safetensors", .path = path, .what = std::strerror(errno)});
  if (size < kLengthBytes)
    throw FormatError({.op = "safetensors", .path = path, .what = cat("the file ends at byte ", size, ", in the header's length")});
  std::uint64_t length = 0;
  read_bytes(in, &length, kLengthBytes, path);
  if (length > size - kLengthBytes || length > kLongestHeader)
    throw FormatError({.op = "safetensors",
                       .path = path,
                       .what = cat("byte 0 declares a header of ", length, " bytes; the file has ", size - kLengthBytes,
                                   " more, the format allows ", kLongestHeader)});
  std::string text(length, '\0');
  read_bytes(in, text.data(), length, path);
  detail::Header header = detail::parse_header(text, size - kLengthBytes - length, path, kLengthBytes);
  const std::string stated = take_checksum(header, text, checksum, path);

  ArrayFile file{.metadata = std::move(header.metadata), .arrays = {}};
  std::uint32_t crc = crc_of_header(text);
  for (detail::HeaderEntry& entry : header.entries) {
    entry.array.bytes.resize(entry.end - entry.begin);
    read_bytes(in, entry.array.bytes.data(), entry.array.bytes.size(), path);
    crc = crc_after(crc, entry.array.bytes.data(), entry.array.bytes.size());
    file.arrays.push_back(std::move(entry.array));
  }
  check_crc(stated, crc, path);
  return file;
}

void write_safetensors(const std::string& path, const ArrayFile& file) {
  std::vector<const NamedArray*> arrays;
  for (const NamedArray& array : file.arrays) {
    if (static_cast<std::int64_t>(array.bytes.size()) != checked_product(array.shape.size(), detail::size_of(array.type)))
      throw UsageError({.op = "safetensors",
                        .path = path,
                        .what = cat("array '", array.name, "' has ", array.bytes.size(), " bytes, ", array.shape.str(), " of ",
                                    detail::name_of(array.type), " takes ", array.shape.size() * detail::size_of(array.type))});
    arrays.push_back(&array);
  }
  std::stable_sort(arrays.begin(), arrays.end(),
                   [](const NamedArray* a, const NamedArray* b) { return detail::size_of(a->type) > detail::size_of(b->type); });
  std::string header = detail::header_text(file.metadata, arrays);
  std::uint32_t crc = crc_of_header(header);
  for (const NamedArray* array : arrays) crc = crc_after(crc, array->bytes.data(), array->bytes.size());
  header.replace(detail::kBeforeChecksum.size(), detail::kNoChecksum.size(), hex(crc));
  const std::uint64_t length = header.size();
  AtomicFile out(path);
  out.write(&length, kLengthBytes);
  out.write(header.data(), header.size());
  for (const NamedArray* array : arrays) out.write(array->bytes.data(), array->bytes.size());
  out.commit();
}

template NamedArray NamedArray::of(std::string, const std::vector<std::uint8_t>&, Shape);
template NamedArray NamedArray::of(std::string, const std::vector<std::int32_t>&, Shape);
template NamedArray NamedArray::of(std::string, const std::vector<std::int64_t>&, Shape);
template NamedArray NamedArray::of(std::string, const std::vector<float>&, Shape);
template NamedArray NamedArray::of(std::string, const std::vector<double>&, Shape);
template std::vector<std::uint8_t> NamedArray::values() const;
template std::vector<std::int32_t> NamedArray::values() const;
template std::vector<std::int64_t> NamedArray::values() const;
template std::vector<float> NamedArray::values() const;
template std::vector<double> NamedArray::values() const;

}  // namespace weft
