#include <weft/apps/support/progress.hpp>

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace weft {

std::string clock_text(double seconds) {
  const std::int64_t whole = std::isfinite(seconds) ? std::llround(std::clamp(seconds, 0.0, 3.6e6)) : 0;
  char text[32];
  if (whole >= 3600)
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", static_cast<long>(whole / 3600), static_cast<long>(whole / 60 % 60),
                  static_cast<long>(whole % 60));
  else std::snprintf(text, sizeof text, "%ld:%02ld", static_cast<long>(whole / 60), static_cast<long>(whole % 60));
  return text;
}

std::string bar(double share, int width) {
  const int full = static_cast<int>(std::clamp(share, 0.0, 1.0) * width);
  std::string text(static_cast<std::size_t>(full), '=');
  if (full < width) text += '>';
  text.resize(static_cast<std::size_t>(width), ' ');
  return "[" + text + "]";
}

Progress::Style Progress::style_for(bool quiet) {
  if (quiet) return Style::none;
  return isatty(STDOUT_FILENO) != 0 ? Style::bar : Style::lines;
}

Progress::Progress(Style style, int epochs, std::int64_t steps, std::int64_t line_every)
    : style_(style),
      epochs_(epochs),
      steps_(std::max<std::int64_t>(steps, 1)),
      line_every_(line_every > 0 ? line_every : std::max<std::int64_t>((steps + 9) / 10, 1)) {}

double Progress::seconds_left(int epoch, std::int64_t step) {
  const auto now = std::chrono::steady_clock::now();
  const std::int64_t done = (epoch - 1) * steps_ + step;
  if (first_ < 0) first_ = done - 1, began_ = now;
  if (done - 1 == first_) return 0;
  const double each = std::chrono::duration<double>(now - began_).count() / static_cast<double>(done - 1 - first_);
  return each * static_cast<double>(epochs_ * steps_ - done);
}

void Progress::step(int epoch, std::int64_t step, const std::string& measured, double samples_per_second) {
  if (style_ == Style::none) return;
  const double left = seconds_left(epoch, step);
  char text[200];
  std::snprintf(text, sizeof text, "%s  %.0f samples/s  %s left", measured.c_str(), samples_per_second, clock_text(left).c_str());
  if (style_ == Style::lines) {
    if (step % line_every_ == 0 && step != steps_)
      std::printf("epoch %d/%d  step %ld/%ld  %s\n", epoch, epochs_, static_cast<long>(step), static_cast<long>(steps_), text),
          std::fflush(stdout);
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (step != steps_ && now - drawn_ < std::chrono::milliseconds(100)) return;
  drawn_ = now;
  std::printf("\r\033[Kepoch %d/%d %s %s", epoch, epochs_, bar(static_cast<double>(step) / static_cast<double>(steps_), 24).c_str(), text);
  std::fflush(stdout);
  bar_shown_ = true;
}

void Progress::line(const std::string& text) {
  clear();
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}

void Progress::clear() {
  if (bar_shown_) std::printf("\r\033[K");
  bar_shown_ = false;
}

}  // namespace weft
