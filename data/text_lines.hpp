#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <weft/core/files/gzip_file.hpp>

namespace weft {

/// The lines of a UTF-8 text, plain or gzip, one after another; a byte order mark is skipped. Holds one line, whatever the file claims.
class TextLines {
 public:
  static constexpr std::size_t kMostBytes = 1 << 20;  ///< of a line

  /// `op` names the reader in error texts. Throws FormatError as GzipFile.
  TextLines(std::string op, const std::string& path);

  /// Goes to the next line, without its "\n" or "\r\n"; false behind the last. `line` is valid until the next call.
  /// Throws FormatError, naming line and column, for a line of more than kMostBytes, a NUL or bytes that are not UTF-8.
  bool next(std::string_view& line);
  /// Of the line that was given last, from 1.
  std::int64_t number() const { return number_; }
  const std::string& path() const { return file_.path(); }
  /// Throws FormatError with the file and the line.
  [[noreturn]] void refuse(const std::string& what, const std::string& hint) const;

 private:
  bool fill();
  void check_text() const;

  std::string op_;
  GzipFile file_;
  std::array<char, 1 << 14> buffer_{};
  std::size_t begin_ = 0, end_ = 0;  // what of the buffer is still to be given
  std::string line_;
  std::int64_t number_ = 0;
};

}  // namespace weft
