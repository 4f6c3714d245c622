// Tied 3x3 convolutions, stride 1, pad 1, batch 64, as sparse products against oneDNN's direct ones.
#include <string>
#include <utility>
#include <vector>

#include <weft/apps/bench/operands.hpp>
#include <weft/apps/bench/peers/peers.hpp>
#include <weft/apps/bench/tables.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/text.hpp>

namespace weft::bench {

namespace {

constexpr int kBatch = 64, kJudgedChannels = 16;
constexpr double kFloorOverOneDnn = 1.05;

double floor_of(Pass pass) { return pass == Pass::forward ? 0.78 : pass == Pass::data ? 0.75 : 0.65; }

struct Layer {
  Lattice in;
  int c_out;

  std::string name() const { return cat(in.c, "->", c_out, "@", in.h); }
  std::string cell(Pass pass) const { return cat("conv/", name_of(pass), "/", name()); }
  bool judged() const { return in.c >= kJudgedChannels; }
};

const std::vector<Layer> kLayers{{{28, 28, 16}, 32}, {{14, 14, 16}, 32}, {{32, 32, 16}, 16}, {{16, 16, 32}, 32}, {{32, 32, 64}, 64},
                                 {{14, 14, 64}, 64}, {{8, 8, 128}, 128}, {{28, 28, 1}, 16},  {{32, 32, 3}, 32}};
const std::vector<Layer> kQuickLayers{{{14, 14, 16}, 32}, {{16, 16, 32}, 32}, {{14, 14, 64}, 64}, {{28, 28, 1}, 16}};

void print_line(Context& context, const Layer& layer, Pass pass, const Outcome& o) {
  Results& results = context.results;
  const std::string what = cat(layer.cell(pass), ", ", team());
  std::string text = left(cat("  ", layer.in.c, " -> ", layer.c_out, ", ", layer.in.h, "x", layer.in.w), 22) + left(name_of(pass), 9) +
                     right(fixed(o.gflops, 1), 8) + right(show_share(o), 9);
  text += layer.judged() ? right(show(floor_of(pass), Unit::share), 8) + "  " +
                               left(judge_if_calm(results, what, o.share, floor_of(pass), Unit::share, o.disturbed), 5)
                         : std::string(15, ' ');
  if (const auto found = o.ratios.find("oneDNN"); found != o.ratios.end()) {
    text += right(show(found->second, Unit::ratio), 12);
    const std::string against = cat(what, ", against oneDNN");
    if (layer.judged() && pass == Pass::forward)
      text += right(show(kFloorOverOneDnn, Unit::ratio), 8) + "  " +
              judge_if_calm(results, against, found->second, kFloorOverOneDnn, Unit::ratio, o.disturbed);
    else if (found->second < 1) results.lost(cat(against, ": ", show(found->second, Unit::ratio)));
  }
  results.line(text);
}

}  // namespace

void conv_table(Context& context) {
  bool begun = false;
  for (const Layer& layer : context.options.quick ? kQuickLayers : kLayers) {
    bool wanted = false;
    for (const Pass pass : kPasses) wanted = wanted || context.wants(layer.cell(pass));
    if (!wanted) continue;
    const ProductOperands operands(patterns::conv2d(layer.in, layer.c_out, {.kernel = 3, .pad = 1}), kBatch);
    std::vector<Entry> entries;
    for (const Pass pass : kPasses)
      if (context.wants(layer.cell(pass)))
        entries.push_back({layer.cell(pass),
                           operands.flops(),
                           operands.call(pass),
                           {{"oneDNN", peers::onednn::convolution(pass, layer.in, layer.c_out, kBatch)}}});
    const std::map<std::string, Outcome> outcomes = race(context, entries);
    if (!std::exchange(begun, true)) {
      context.results.heading(
          cat("Tied 3x3 convolution, batch ", kBatch, ", ", team(), ": share of the FMA probe, and time of oneDNN direct / weft's"));
      context.results.line(left("  layer", 22) + left("pass", 9) + right("GF/s", 8) + right("share", 9) + right("floor", 8) +
                           std::string(7, ' ') + right("vs oneDNN", 12) + right("floor", 8));
    }
    for (const Pass pass : kPasses)
      if (const auto found = outcomes.find(layer.cell(pass)); found != outcomes.end()) print_line(context, layer, pass, found->second);
  }
}

}  // namespace weft::bench
