#include <weft/core/files/gzip_file.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <zlib.h>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

struct GzipFile::Stream {
  std::FILE* file = nullptr;
  z_stream z{};
  bool member_ended = false;
  std::int64_t bytes_read = 0;
  std::array<std::uint8_t, 1 << 16> buffer;

  ~Stream() {
    inflateEnd(&z);
    if (file != nullptr) std::fclose(file);
  }
};

GzipFile::GzipFile(std::string op, std::string path) : op_(std::move(op)), path_(std::move(path)), stream_(std::make_unique<Stream>()) {
  std::error_code failure;
  if (!std::filesystem::is_regular_file(path_, failure))
    throw FormatError({.op = op_, .path = path_, .what = failure ? failure.message() : "not a regular file"});
  file_size_ = static_cast<std::int64_t>(std::filesystem::file_size(path_, failure));
  stream_->file = std::fopen(path_.c_str(), "rb");
  if (failure || stream_->file == nullptr) throw FormatError({.op = op_, .path = path_, .what = std::strerror(errno)});
  refill();
  compressed_ = stream_->z.avail_in >= 2 && stream_->buffer[0] == 0x1f && stream_->buffer[1] == 0x8b;
  constexpr int kGzipOnly = 15 + 16;
  if (inflateInit2(&stream_->z, kGzipOnly) != Z_OK) throw OutOfMemory({.op = op_, .path = path_, .what = "zlib could not start"});
}

GzipFile::~GzipFile() = default;

std::size_t GzipFile::read(std::uint8_t* to, std::size_t count) {
  std::size_t done = 0;
  while (done < count) {
    if (stream_->z.avail_in == 0) refill();
    const std::size_t got = inflate_some(to + done, count - done);
    if (got == 0) break;
    done += got;
  }
  position_ += static_cast<std::int64_t>(done);
  return done;
}

/// At least one byte unless the file ends here.
std::size_t GzipFile::inflate_some(std::uint8_t* to, std::size_t count) {
  z_stream& z = stream_->z;
  const uInt room = static_cast<uInt>(std::min<std::size_t>(count, 1 << 30));
  if (!compressed_) {
    const uInt take = std::min(room, z.avail_in);
    std::copy_n(z.next_in, take, to);
    z.next_in += take;
    z.avail_in -= take;
    return take;
  }
  z.next_out = to;
  z.avail_out = room;
  while (z.avail_out == room) {
    if (z.avail_in == 0) refill();
    if (stream_->member_ended) {
      if (z.avail_in == 0) return 0;
      inflateReset(&z);
      stream_->member_ended = false;
    }
    const int code = inflate(&z, Z_NO_FLUSH);
    stream_->member_ended = code == Z_STREAM_END;
    if (code == Z_BUF_ERROR)
      throw FormatError({.op = op_, .path = path_, .what = cat("the gzip stream is cut off at byte ", file_byte(), " of the file")});
    if (code == Z_MEM_ERROR) throw OutOfMemory({.op = op_, .path = path_, .what = "zlib found no memory"});
    if (code != Z_OK && code != Z_STREAM_END)
      throw FormatError(
          {.op = op_,
           .path = path_,
           .what = cat("the gzip stream is corrupt near byte ", file_byte(), " of the file: ", z.msg ? z.msg : zError(code))});
  }
  return room - z.avail_out;
}

void GzipFile::refill() {
  Stream& s = *stream_;
  const std::size_t got = std::fread(s.buffer.data(), 1, s.buffer.size(), s.file);
  if (got == 0 && std::ferror(s.file))
    throw FormatError({.op = op_, .path = path_, .what = cat("reading failed at byte ", s.bytes_read, ": ", std::strerror(errno))});
  s.bytes_read += static_cast<std::int64_t>(got);
  s.z.next_in = s.buffer.data();
  s.z.avail_in = static_cast<uInt>(got);
}

std::int64_t GzipFile::file_byte() const { return stream_->bytes_read - stream_->z.avail_in; }

std::string gzip_or_plain(const std::string& folder, const std::string& name) {
  std::error_code ignored;
  const std::string plain = (std::filesystem::path(folder) / name).string();
  for (const char* ending : {".gz", ""})
    if (std::filesystem::exists(plain + ending, ignored)) return plain + ending;
  return {};
}

}  // namespace weft
