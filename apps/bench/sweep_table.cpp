// An LSTM over T steps as one sweep of a strictly lower triangular matrix, against oneDNN's.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <weft/apps/bench/operands.hpp>
#include <weft/apps/bench/peers/peers.hpp>
#include <weft/apps/bench/tables.hpp>
#include <weft/autograd/ops.hpp>
#include <weft/autograd/sweep.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/text.hpp>

namespace weft::bench {

namespace {

constexpr double kFloor = 0.65, kFloorOverOneDnn = 1.0;

struct Size {
  std::int64_t steps, batch, units;
  bool judged;

  std::string name() const { return cat("T", steps, "/N", batch, "/H", units); }
  std::string forward() const { return cat("lstm/forward/", name()); }
  std::string both() const { return cat("lstm/both/", name()); }
  /// Useful FLOPs of the forward pass; the backward pass has twice as many.
  double flops() const { return 2.0 * static_cast<double>(steps * batch * 4 * units) * static_cast<double>(2 * units); }
};

constexpr Size kSizes[] = {{64, 64, 128, true}, {64, 64, 256, true}, {35, 20, 256, false}};

/// As many channels as units, noise for all operands.
class Lstm {
 public:
  explicit Lstm(const Size& s)
      : recurrence_(kernels::Cell::lstm, patterns::dilated(s.steps, 1, patterns::Carry::yes), patterns::dense(4 * s.units, s.units),
                    patterns::dense(4 * s.units, s.units)),
        x_(Tensor::tiled(Dtype::f32, {s.steps, s.units}, sample_columns(s.batch))) {
    fill_noise(x_);
    ih_ = small(recurrence_.ih()->values_size());
    hh_ = small(recurrence_.hh()->values_size());
    bias_ = small(recurrence_.bias_size());
  }

  void forward() {
    tape_.reset(++calls_, Mode::eval);
    run().value();
  }
  void both() {
    tape_.reset(++calls_, Mode::train);
    const Var loss = sum(run());
    tape_.backward(loss);
  }

 private:
  /// Of a size that keeps the gates from saturating.
  static Tensor small(std::int64_t size) {
    const Tensor t = Tensor::plain(Dtype::f32, {size});
    fill_noise(t);
    for (std::int64_t i = 0; i < size; ++i) t.data<float>()[i] *= 0.05F;
    return t;
  }
  Var run() {
    SweepState state;
    return sweep(recurrence_, tape_.leaf(ih_), tape_.leaf(hh_), tape_.leaf(bias_), tape_.leaf(x_), state);
  }

  Recurrence recurrence_;
  Tensor x_, ih_, hh_, bias_;
  Tape tape_;
  std::int64_t calls_ = 0;
};

/// The share of the probe, and oneDNN's time / weft's, of a pass that took `seconds`.
void print_line(Context& context, const Size& size, const std::string& pass, double share, double ratio, bool disturbed) {
  Results& results = context.results;
  const std::string what = cat("lstm/", pass, "/", size.name(), ", ", team());
  std::string text = left(cat("  T ", size.steps, ", N ", size.batch, ", H ", size.units), 24) + left(pass, 9) +
                     right(show(share, Unit::share) + (disturbed ? "~" : ""), 8);
  if (size.judged)
    text += right(show(kFloor, Unit::share), 8) + "  " + left(judge_if_calm(results, what, share, kFloor, Unit::share, disturbed), 9);
  else text += std::string(19, ' ');
  if (ratio > 0) {
    text += right(show(ratio, Unit::ratio), 10);
    if (size.judged) text += "  " + judge_if_calm(results, what + ", against oneDNN", ratio, kFloorOverOneDnn, Unit::ratio, disturbed);
  }
  results.line(text);
}

void race_lstm(Context& context, const Size& size, bool& begun) {
  if (!context.wants(size.forward()) && !context.wants(size.both())) return;
  const auto own = std::make_shared<Lstm>(size);
  const std::vector<Entry> entries{{size.forward(),
                                    size.flops(),
                                    [own] { own->forward(); },
                                    {{"oneDNN", peers::onednn::lstm(Pass::forward, size.steps, size.batch, size.units)}}},
                                   {size.both(),
                                    3 * size.flops(),
                                    [own] { own->both(); },
                                    {{"oneDNN", peers::onednn::lstm(Pass::data, size.steps, size.batch, size.units)}}}};
  std::map<std::string, Outcome> outcomes = race(context, entries);
  if (!std::exchange(begun, true)) {
    context.results.heading(cat("LSTM with as many channels as units, ", team(), ": share of the FMA probe, and time of oneDNN / weft's"));
    context.results.line(left("  size", 24) + left("pass", 9) + right("share", 8) + right("floor", 8) + std::string(11, ' ') +
                         right("vs oneDNN", 10));
  }
  const auto forward = outcomes.find(size.forward()), both = outcomes.find(size.both());
  const auto ratio = [](const Outcome& o) { return o.ratios.count("oneDNN") > 0 ? o.ratios.at("oneDNN") : 0; };
  if (forward != outcomes.end())
    print_line(context, size, "forward", forward->second.share, ratio(forward->second), forward->second.disturbed);
  if (forward == outcomes.end() || both == outcomes.end()) return;
  // What the backward pass adds to a forward one; oneDNN's is timed alone.
  const double forward_time = 1 / forward->second.share, both_time = 3 / both->second.share, time = both_time - forward_time;
  print_line(context, size, "backward", 2 / time, ratio(both->second) * both_time / time,
             forward->second.disturbed || both->second.disturbed);
}

}  // namespace

void sweep_table(Context& context) {
  bool begun = false;
  for (const Size& size : kSizes) race_lstm(context, size, begun);
}

}  // namespace weft::bench
