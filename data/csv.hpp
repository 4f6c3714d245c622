#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <weft/core/files/gzip_file.hpp>

namespace weft {

struct CsvOptions {
  char separator = ',';
};

/// The rows of a CSV text in UTF-8 (RFC 4180: fields in quotes may hold separators, line breaks and doubled quotes), plain or gzip, one
/// after another. A byte order mark and empty lines are passed over. Holds one row, whatever the file claims.
class Csv {
 public:
  static constexpr std::size_t kMostBytes = 1 << 20;  ///< of a row

  /// `op` names the reader in error texts. Throws FormatError as GzipFile.
  Csv(std::string op, const std::string& path, CsvOptions options = {});

  /// Goes to the next row; false behind the last. Throws FormatError, naming line and column, for a row of more than kMostBytes or of
  /// another number of columns than the first, a quote that is not closed or stands inside a field without quotes, a NUL, and bytes that
  /// are not UTF-8.
  bool next(std::vector<std::string>& row);
  /// Where the row that was given last begins, from 1.
  std::int64_t line() const { return line_; }
  /// Throws FormatError with the file and the row's line.
  [[noreturn]] void refuse(const std::string& what, const std::string& hint) const;

 private:
  static constexpr int kEnd = -1;
  int peek();
  int take();
  bool skip_empty_lines();
  std::string quoted(std::size_t column);
  std::string plain(std::size_t column);
  void check_text(const std::string& field, std::size_t column) const;
  void end_row(std::size_t columns);

  std::string op_;
  CsvOptions options_;
  GzipFile file_;
  std::array<char, 1 << 14> buffer_{};
  std::size_t begin_ = 0, end_ = 0;  // what of the buffer is still to be given
  std::int64_t line_ = 0;            // of the row's beginning
  std::int64_t at_line_ = 1;         // of the next byte
  std::size_t row_bytes_ = 0;        // taken of the row
  std::size_t columns_ = 0;          // of the first row
};

}  // namespace weft
