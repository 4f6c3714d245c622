#include <weft/apps/bench/race.hpp>

#include <omp.h>
#include <algorithm>
#include <cstddef>
#include <utility>

#include <weft/apps/bench/fma_probe.hpp>
#include <weft/apps/bench/peers/peers.hpp>
#include <weft/core/parallel.hpp>
#include <weft/core/text.hpp>

namespace weft::bench {

void set_team(int n) {
  set_threads(n);
  omp_set_num_threads(n);  // oneDNN's
  peers::openblas::set_threads(n);
  peers::eigen::set_threads(n);
}

std::string team() { return threads() == 1 ? "1 thread" : cat(threads(), " threads"); }

std::string show_share(const Outcome& o) { return show(o.share, Unit::share) + (o.disturbed ? "~" : ""); }

std::string judge_if_calm(Results& results, const std::string& what, double value, double floor, Unit unit, bool disturbed) {
  if (!disturbed) return results.judge(what, value, floor, unit);
  results.lost(cat(what, ": not judged, other programs took the processor"));
  return "DISTURBED";
}

namespace {

/// The probe varies by a fifth with the clock; below this share of its best it has shared a core.
constexpr double kDisturbed = 0.75;
constexpr int kAttempts = 3;

double probe_gflops(double seconds) { return fma_probe_flops() / seconds / 1e9; }

}  // namespace

bool measure_calmly(Context& context, const std::vector<Candidate>& candidates, std::vector<double>& seconds) {
  double& best = context.best_probe[threads()];
  if (best == 0) best = probe_gflops(measure({fma_probe()}, {.rounds = 100})[0]);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    seconds = measure(candidates, context.measuring());
    best = std::max(best, probe_gflops(seconds[0]));
    if (probe_gflops(seconds[0]) >= kDisturbed * best) return true;
  }
  return false;
}

std::map<std::string, Outcome> race(Context& context, const std::vector<Entry>& entries) {
  std::vector<Candidate> candidates{fma_probe()};
  for (const Entry& e : entries) {
    if (!context.wants(e.cell)) continue;
    candidates.push_back(timed(e.cell, e.call));
    for (const Rival& rival : e.rivals)
      if (rival.call) candidates.push_back(timed(rival.name, rival.call, rival.own_threads));
  }
  std::map<std::string, Outcome> outcomes;
  if (candidates.size() == 1) return outcomes;

  std::vector<double> seconds;
  const bool calm = measure_calmly(context, candidates, seconds);
  const double probe = probe_gflops(seconds[0]);
  std::size_t at = 1;
  for (const Entry& e : entries) {
    if (!context.wants(e.cell)) continue;
    const double own = seconds[at++];
    Outcome& o = outcomes[e.cell];
    o.gflops = e.flops / own / 1e9;
    o.share = o.gflops / probe;
    o.disturbed = !calm;
    Cell cell{e.cell, threads(), {{"seconds", own}, {"gflops", o.gflops}, {"share of probe", o.share}, {"probe gflops", probe}}};
    cell.numbers["disturbed"] = o.disturbed;
    for (const Rival& rival : e.rivals) {
      if (!rival.call) continue;
      const double ratio = seconds[at++] / own;
      o.ratios[rival.name] = ratio;
      cell.numbers["vs " + rival.name] = ratio;
    }
    context.results.cell(std::move(cell));
  }
  return outcomes;
}

}  // namespace weft::bench
