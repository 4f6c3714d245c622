// An LSTM layer over a window: forward and backward as shares of the probe, and against oneDNN's primitive and PyTorch's layer.
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <weft.hpp>
#include <weft/apps/bench/fma_probe.hpp>
#include <weft/apps/bench/operands.hpp>
#include <weft/apps/bench/peers/peers.hpp>
#include <weft/apps/bench/peers/pytorch.hpp>
#include <weft/apps/bench/tables.hpp>
#include <weft/core/text.hpp>

namespace weft::bench {

namespace {

constexpr int kSteps = 64;
constexpr double kFloorShare = 0.65, kFloorRatio = 1.0;

/// As many channels as units.
struct Window {
  int units, batch;
  bool judged;

  std::string cell() const { return cat("sweep/lstm/H", units, "/N", batch); }
  /// Useful FLOPs of a forward pass: both products of each step. Backward has twice as many.
  double flops() const { return 2.0 * kSteps * batch * (4.0 * units) * (2.0 * units); }
};
constexpr Window kWindows[] = {{128, 64, true}, {256, 64, true}, {128, 20, false}};

/// An LSTM on a chain of links with its parameters and input, in one form.
class LstmWindow {
 public:
  LstmWindow(const Window& w, Form form)
      : net_(Scope(params_, form), patterns::dilated(kSteps, 1), w.units, w.units),
        x_(Tensor::tiled(Dtype::f32, {kSteps, w.units}, sample_columns(w.batch))) {
    fill_noise(x_);
  }

  void forward() { begin(); }
  /// Forward and backward, the gradient of x included.
  void step() { tape_.backward(sum(begin())); }

 private:
  Var begin() {
    tape_.reset(++steps_, Mode::train);
    const Var y = net_(tape_.leaf(x_));
    y.value();
    return y;
  }

  ParamStore params_;
  Lstm net_;
  Tensor x_;
  Tape tape_;
  std::int64_t steps_ = 0;
};

/// Seconds of a forward pass and of one with its backward pass; 0: not measured.
struct Seconds {
  double forward = 0, step = 0;
  double of(Pass pass) const { return pass == Pass::forward ? forward : step - forward; }
};

struct Contender {
  std::string name;
  Candidate forward, step;
};

std::vector<Contender> contenders(const Window& w, LstmWindow& sparse, LstmWindow& native, PyTorch* pytorch) {
  std::vector<Contender> all{{"sparse", timed("forward", [&] { sparse.forward(); }), timed("step", [&] { sparse.step(); })},
                             {"native", timed("forward", [&] { native.forward(); }), timed("step", [&] { native.step(); })}};
  if (const peers::onednn::LstmCalls calls = peers::onednn::lstm(kSteps, w.batch, w.units); calls.forward)
    all.push_back({"oneDNN", timed("forward", calls.forward), timed("step", calls.step)});
  if (pytorch != nullptr) {
    const auto ask = [=](const char* pass) {
      return Candidate{pass, [=](int calls) { return pytorch->lstm(kSteps, w.batch, w.units, pass, calls); }, true};
    };
    all.push_back({"PyTorch", ask("forward"), ask("step")});
  }
  return all;
}

/// One pass: weft's GF/s and share, then the others' times by weft's.
void print_line(Context& context, const Window& w, Pass pass, double probe, const std::vector<Contender>& all,
                const std::vector<Seconds>& seconds, bool calm) {
  Results& results = context.results;
  const std::string name = pass == Pass::forward ? "forward" : "backward", cell = cat(w.cell(), "/", name), what = cat(cell, ", ", team());
  const double gflops = (pass == Pass::forward ? 1 : 2) * w.flops() / seconds[0].of(pass) / 1e9, share = gflops / probe;
  Cell numbers{cell, threads(), {{"seconds", seconds[0].of(pass)}, {"gflops", gflops}, {"share of probe", share}, {"disturbed", !calm}}};
  std::string text = left("  " + cell, 34) + right(cat(threads()), 8) + right(fixed(gflops, 1), 8) + right(show(share, Unit::share), 9);
  text += w.judged ? "  " + left(judge_if_calm(results, what, share, kFloorShare, Unit::share, !calm), 9) : std::string(11, ' ');
  for (std::size_t i = 1; i < all.size(); ++i) {
    const double ratio = seconds[i].of(pass) / seconds[0].of(pass);
    numbers.numbers["vs " + all[i].name] = ratio;
    text += right(show(ratio, Unit::ratio), 10);
    if (all[i].name != "oneDNN") continue;
    const std::string against = cat(what, ", against oneDNN");
    text += "  " + left(w.judged ? judge_if_calm(results, against, ratio, kFloorRatio, Unit::ratio, !calm) : "", 9);
  }
  results.cell(std::move(numbers));
  results.line(text);
}

void print_window(Context& context, const Window& w, PyTorch* pytorch) {
  LstmWindow sparse(w, Form::sparse), native(w, Form::native);
  const std::vector<Contender> all = contenders(w, sparse, native, pytorch);
  std::vector<Candidate> candidates{fma_probe()};
  for (const Contender& c : all) candidates.insert(candidates.end(), {c.forward, c.step});
  std::vector<double> measured;
  const bool calm = measure_calmly(context, candidates, measured);
  std::vector<Seconds> seconds;
  for (std::size_t i = 0; i < all.size(); ++i) seconds.push_back({measured[1 + 2 * i], measured[2 + 2 * i]});
  const double probe = fma_probe_flops() / measured[0] / 1e9;
  for (const Pass pass : {Pass::forward, Pass::data}) print_line(context, w, pass, probe, all, seconds, calm);
}

}  // namespace

bool wants_sweeps(const Context& context) {
  return std::any_of(std::begin(kWindows), std::end(kWindows), [&](const Window& w) { return context.wants(w.cell()); });
}

void sweep_table(Context& context, PyTorch* pytorch) {
  if (!wants_sweeps(context)) return;
  if (pytorch != nullptr) pytorch->set_threads(threads());
  context.results.heading(cat("An LSTM layer, ", kSteps, " steps, ", team(),
                              ": share of the FMA probe (backward: a step less its forward pass), and times of others / weft's"));
  std::string head =
      left("  cell", 34) + right("threads", 8) + right("GF/s", 8) + right("share", 9) + std::string(11, ' ') + right("native", 10);
  if (!peers::onednn::version().empty()) head += right("oneDNN", 10) + std::string(11, ' ');
  if (pytorch != nullptr) head += right("PyTorch", 10);
  context.results.line(head);
  for (const Window& w : kWindows)
    if (context.wants(w.cell())) print_window(context, w, pytorch);
}

}  // namespace weft::bench
