#include <weft/apps/bench/race.hpp>

#include <omp.h>
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

  const std::vector<double> seconds = measure(candidates, context.measuring());
  const double probe = fma_probe_flops() / seconds[0] / 1e9;
  std::size_t at = 1;
  for (const Entry& e : entries) {
    if (!context.wants(e.cell)) continue;
    const double own = seconds[at++];
    Outcome& o = outcomes[e.cell];
    o.gflops = e.flops / own / 1e9;
    o.share = o.gflops / probe;
    Cell cell{e.cell, threads(), {{"seconds", own}, {"gflops", o.gflops}, {"share of probe", o.share}, {"probe gflops", probe}}};
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
