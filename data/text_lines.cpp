#include <weft/data/text_lines.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

TextLines::TextLines(std::string op, const std::string& path) : op_(op), file_(std::move(op), path) {}

bool TextLines::next(std::string_view& line) {
  line_.clear();
  if (begin_ == end_ && !fill()) return false;
  ++number_;
  bool ended = false;
  while (!ended && (begin_ < end_ || fill())) {
    const auto from = buffer_.begin() + static_cast<std::ptrdiff_t>(begin_), to = buffer_.begin() + static_cast<std::ptrdiff_t>(end_);
    const auto newline = std::find(from, to, '\n');
    line_.append(from, newline);
    if (line_.size() > kMostBytes)
      refuse(cat("the line has more than ", kMostBytes, " bytes"), "break the text into lines, such as a sentence or a paragraph each");
    ended = newline != to;
    begin_ += static_cast<std::size_t>(std::distance(from, newline)) + (ended ? 1 : 0);
  }
  if (line_.ends_with('\r')) line_.pop_back();
  check_text();
  line = line_;
  if (number_ == 1 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
  return true;
}

bool TextLines::fill() {
  begin_ = 0;
  end_ = file_.read(reinterpret_cast<std::uint8_t*>(buffer_.data()), buffer_.size());
  return end_ > 0;
}

void TextLines::check_text() const {
  const std::size_t invalid = invalid_utf8(line_), zero = line_.find('\0');
  if (zero != std::string::npos && zero < invalid)
    refuse(cat("column ", zero + 1, " is a NUL byte: this is no text"), "name a plain text file");
  if (invalid != std::string::npos)
    refuse(cat("the bytes from column ", invalid + 1, " on are not UTF-8"), "convert the text, such as by: iconv -f LATIN1 -t UTF-8");
}

void TextLines::refuse(const std::string& what, const std::string& hint) const {
  throw FormatError({.op = op_, .path = file_.path(), .what = cat("line ", number_, ": ", what), .hint = hint});
}

}  // namespace weft
