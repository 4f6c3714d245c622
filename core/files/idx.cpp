#include <weft/core/files/idx.hpp>

#include <algorithm>
#include <array>

#include <weft/core/error.hpp>
#include <weft/core/files/gzip_file.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

constexpr std::uint8_t kUnsignedBytes = 0x08;
constexpr std::int64_t kMostInflation = 64;   // deflate reaches 1032: a small file must not take all memory
constexpr std::int64_t kUsualInflation = 16;  // images inflate by 2 to 6; what claims more is counted before it is stored

std::string dimensions(const Shape& shape) { return cat(shape.str(), " = ", shape.size(), " bytes"); }

std::uint32_t read_word(GzipFile& file) {
  std::array<std::uint8_t, 4> b{};
  const std::int64_t at = file.position();
  if (const std::size_t got = file.read(b.data(), b.size()); got < b.size())
    throw FormatError({.op = "idx",
                       .path = file.path(),
                       .what = cat("the header ends at byte ", at + static_cast<std::int64_t>(got), ", in the word at byte ", at)});
  return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
}

Shape read_header(GzipFile& file, int rank) {
  const std::uint32_t magic = read_word(file);
  const std::uint32_t expected = std::uint32_t{kUnsignedBytes} << 8 | static_cast<std::uint32_t>(rank);
  if (magic != expected)
    throw FormatError({.op = "idx",
                       .path = file.path(),
                       .what = cat("the magic number at byte 0 is ", magic, "; unsigned bytes of rank ", rank, " have ", expected),
                       .hint = "images are idx3-ubyte files, labels idx1-ubyte files, gzip or plain"});
  Shape shape;
  std::int64_t size = 1;
  for (int axis = 0; axis < rank; ++axis) {
    const std::int64_t at = file.position();
    const std::int64_t extent = read_word(file);
    if (__builtin_mul_overflow(size, extent, &size))
      throw FormatError({.op = "idx", .path = file.path(), .what = cat("the extents up to byte ", at, " exceed 64 bits")});
    shape = shape + extent;
  }
  return shape;
}

/// Refuses what the file cannot hold, or holds packed too tightly to be believed, before anything is allocated for it.
void check_plausible(const GzipFile& file, const Shape& shape) {
  const bool gzip = file.compressed();
  const std::int64_t most = gzip ? file.file_size() * kMostInflation : file.file_size() - file.position();
  if (shape.size() <= most) return;
  throw FormatError(
      {.op = "idx",
       .path = file.path(),
       .what = cat("the header declares ", dimensions(shape), ", but a ", gzip ? "gzip " : "", "file of ", file.file_size(), " bytes ",
                   gzip ? cat("is read up to ", kMostInflation, " times its size, ", most) : cat("holds at most ", most)),
       .hint = gzip ? "if the file is whole, unpack it with gunzip; if not, fetch it again"
                    : "the file is truncated or its header damaged: fetch it again"});
}

void check_filled(const GzipFile& file, const Shape& shape, std::int64_t got) {
  if (got < shape.size())
    throw FormatError({.op = "idx",
                       .path = file.path(),
                       .what = cat("the data end at byte ", file.position(), ": ", got, " of ", dimensions(shape), " declared"),
                       .hint = "the file is truncated: fetch it again"});
}

void check_end(GzipFile& file, const Shape& shape) {
  const std::int64_t end = file.position();
  std::uint8_t more = 0;
  if (file.read(&more, 1) != 0)
    throw FormatError(
        {.op = "idx", .path = file.path(), .what = cat("bytes follow at byte ", end, " after the declared ", dimensions(shape))});
}

/// Reads the whole stream into a small buffer: does it hold what it declares?
void count_bytes(const std::string& path, int rank) {
  GzipFile file("idx", path);
  const Shape shape = read_header(file, rank);
  std::vector<std::uint8_t> buffer(1 << 16);
  std::int64_t left = shape.size();
  while (left > 0) {
    const std::size_t got = file.read(buffer.data(), static_cast<std::size_t>(std::min<std::int64_t>(left, 1 << 16)));
    if (got == 0) break;
    left -= static_cast<std::int64_t>(got);
  }
  check_filled(file, shape, shape.size() - left);
  check_end(file, shape);
}

}  // namespace

IdxArray read_idx(const std::string& path, int rank) {
  GzipFile file("idx", path);
  IdxArray array{.shape = read_header(file, rank), .bytes = {}};
  check_plausible(file, array.shape);
  if (array.shape.size() > file.file_size() * kUsualInflation) count_bytes(path, rank);
  array.bytes.resize(static_cast<std::size_t>(array.shape.size()));
  const std::size_t got = file.read(array.bytes.data(), array.bytes.size());
  check_filled(file, array.shape, static_cast<std::int64_t>(got));
  check_end(file, array.shape);
  return array;
}

}  // namespace weft
