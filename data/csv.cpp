#include <weft/data/csv.hpp>

#include <utility>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

Csv::Csv(std::string op, const std::string& path, CsvOptions options) : op_(op), options_(options), file_(std::move(op), path) {
  if (peek() == 0xef && end_ >= 3 && buffer_[1] == '\xbb' && buffer_[2] == '\xbf') begin_ = 3;
}

bool Csv::next(std::vector<std::string>& row) {
  row.clear();
  if (!skip_empty_lines()) return false;
  line_ = at_line_;
  row_bytes_ = 0;
  do {
    const std::size_t column = row.size() + 1;
    row.push_back(peek() == '"' ? quoted(column) : plain(column));
    check_text(row.back(), column);
  } while (peek() == options_.separator && take() != kEnd);
  end_row(row.size());
  return true;
}

/// The byte that comes next.
int Csv::peek() {
  if (begin_ == end_) {
    begin_ = 0;
    end_ = file_.read(reinterpret_cast<std::uint8_t*>(buffer_.data()), buffer_.size());
  }
  return begin_ == end_ ? kEnd : static_cast<unsigned char>(buffer_[begin_]);
}

int Csv::take() {
  const int c = peek();
  if (c == kEnd) return c;
  ++begin_;
  if (c == '\n') ++at_line_;
  if (++row_bytes_ > kMostBytes) refuse(cat("the row has more than ", kMostBytes, " bytes"), "is there a quote that is not closed?");
  return c;
}

bool Csv::skip_empty_lines() {
  row_bytes_ = 0;
  for (; peek() == '\n' || peek() == '\r'; row_bytes_ = 0) take();
  return peek() != kEnd;
}

/// A field in quotes, without them and with doubled ones single.
std::string Csv::quoted(std::size_t column) {
  std::string field;
  take();
  while (true) {
    const int c = take();
    if (c == kEnd) refuse(cat("the quote that opens column ", column, " is not closed"), "double a quote inside a field in quotes");
    if (c == '"' && peek() != '"') break;
    if (c == '"') take();
    field += static_cast<char>(c);
  }
  if (peek() == '\r') take();
  if (peek() != options_.separator && peek() != '\n' && peek() != kEnd)
    refuse(cat("column ", column, " goes on behind its closing quote"), "double a quote inside a field in quotes");
  return field;
}

/// A field up to the separator or the line's end.
std::string Csv::plain(std::size_t column) {
  std::string field;
  while (peek() != options_.separator && peek() != '\n' && peek() != kEnd) {
    field += static_cast<char>(take());
    if (field.back() == '"')
      refuse(cat("a quote stands inside column ", column, ", which does not begin with one"),
             "put the field in quotes and double those inside");
  }
  if (peek() != options_.separator && field.ends_with('\r')) field.pop_back();
  return field;
}

void Csv::check_text(const std::string& field, std::size_t column) const {
  if (field.find('\0') != std::string::npos) refuse(cat("column ", column, " has a NUL byte: this is no text"), "name a plain CSV file");
  if (invalid_utf8(field) != std::string::npos)
    refuse(cat("column ", column, " is not UTF-8"), "convert the file, such as by: iconv -f LATIN1 -t UTF-8");
}

void Csv::end_row(std::size_t columns) {
  take();
  if (columns_ == 0) columns_ = columns;
  if (columns != columns_)
    refuse(cat("the row has ", columns, columns == 1 ? " column" : " columns", ", the first has ", columns_),
           "give every row the same columns");
}

void Csv::refuse(const std::string& what, const std::string& hint) const {
  throw FormatError({.op = op_, .path = file_.path(), .what = cat("line ", line_, ": ", what), .hint = hint});
}

}  // namespace weft
