#include <weft/data/timestamp.hpp>

#include <charconv>
#include <chrono>
#include <cstddef>
#include <system_error>

namespace weft {

namespace {

/// Takes a text apart from its front.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  /// A number of 1 to `digits` digits.
  std::optional<int> number(std::size_t digits) {
    int value = 0;
    const char* const begin = rest_.data();
    const auto [end, error] = std::from_chars(begin, begin + rest_.size(), value);
    const auto length = static_cast<std::size_t>(end - begin);
    if (error != std::errc() || *begin == '-' || length > digits) return std::nullopt;
    rest_.remove_prefix(length);
    return value;
  }

 private:
  std::string_view rest_;
};

/// Seconds of a day. Nothing unless [H]H:MM[:SS] is there.
std::optional<std::int64_t> time_of_day(Cursor& text) {
  const std::optional<int> hour = text.number(2);
  if (!hour || *hour > 23 || !text.take(':')) return std::nullopt;
  const std::optional<int> minute = text.number(2);
  if (!minute || *minute > 59) return std::nullopt;
  const std::optional<int> second = text.take(':') ? text.number(2) : std::optional<int>(0);
  if (!second || *second > 59) return std::nullopt;
  return (std::int64_t{*hour} * 60 + *minute) * 60 + *second;
}

}  // namespace

std::optional<std::int64_t> parse_time(std::string_view written) {
  Cursor text(written);
  const std::optional<int> year = text.number(4);
  const char separator = text.take('-') ? '-' : '/';
  if (!year || (separator == '/' && !text.take('/'))) return std::nullopt;
  const std::optional<int> month = text.number(2);
  if (!month || !text.take(separator)) return std::nullopt;
  const std::optional<int> day = text.number(2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  std::optional<std::int64_t> seconds = 0;
  if (text.take(' ') || text.take('T')) {
    seconds = time_of_day(text);
    text.take('Z');
  }
  if (!seconds || !text.done()) return std::nullopt;
  return std::int64_t{std::chrono::sys_days(date).time_since_epoch().count()} * 86400 + *seconds;
}

}  // namespace weft
