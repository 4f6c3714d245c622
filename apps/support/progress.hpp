#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace weft {

/// "0:07", "12:05" or "1:02:03".
std::string clock_text(double seconds);
/// "[=====>    ]": `share` of a bar of `width` characters between the brackets.
std::string bar(double share, int width);

/// Shows how far a run is: a bar on a terminal, redrawn in place; elsewhere a plain line now and then. Writes to stdout.
class Progress {
 public:
  enum class Style { none, lines, bar };
  /// The style that suits stdout.
  static Style style_for(bool quiet);

  /// A run of `epochs` epochs with `steps` steps each; plain lines come every `line_every` steps (0: ten an epoch).
  Progress(Style style, int epochs, std::int64_t steps, std::int64_t line_every);

  /// Another number of epochs, before the first step.
  void set_epochs(int epochs) { epochs_ = epochs; }
  /// After step `step` (from 1) of epoch `epoch` (from 1), with what has been measured of it.
  void step(int epoch, std::int64_t step, const std::string& measured, double samples_per_second);
  /// A line of text, above the bar if there is one.
  void line(const std::string& text);
  /// Removes the bar.
  void clear();

 private:
  double seconds_left(int epoch, std::int64_t step);

  Style style_;
  int epochs_;
  std::int64_t steps_, line_every_;
  std::int64_t first_ = -1;  // the step this process began after
  std::chrono::steady_clock::time_point began_, drawn_;
  bool bar_shown_ = false;
};

}  // namespace weft
