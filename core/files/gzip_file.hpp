#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace weft {

/// A file read from front to back, inflated on the way if it is gzip (RFC 1952: any number of members, nothing behind them).
/// Holds a buffer of fixed size whatever the file claims.
class GzipFile {
 public:
  /// `op` names the format in error texts. Throws FormatError if the file is missing, unreadable or not a regular file.
  GzipFile(std::string op, std::string path);
  ~GzipFile();

  /// Fills up to `count` bytes; fewer only at the end. Throws FormatError for a truncated or corrupt stream, with the byte.
  std::size_t read(std::uint8_t* to, std::size_t count);

  bool compressed() const { return compressed_; }
  /// Bytes of the file as it is stored.
  std::int64_t file_size() const { return file_size_; }
  /// Bytes given so far.
  std::int64_t position() const { return position_; }
  const std::string& path() const { return path_; }

 private:
  struct Stream;
  std::size_t inflate_some(std::uint8_t* to, std::size_t count);
  void refill();
  std::int64_t file_byte() const;

  std::string op_, path_;
  bool compressed_ = false;
  std::int64_t file_size_ = 0;
  std::int64_t position_ = 0;
  std::unique_ptr<Stream> stream_;
};

/// The path of a file in a folder, as `name`.gz (preferred) or plain; empty if there is neither.
std::string gzip_or_plain(const std::string& folder, const std::string& name);

}  // namespace weft
