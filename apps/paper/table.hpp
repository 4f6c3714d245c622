#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <weft/apps/paper/verdict.hpp>

namespace weft::paper {

/// What has been measured of a benchmark so far.
struct Section {
  Benchmark benchmark;
  double minutes = 0;
  int seeds = 0;                                      ///< wanted
  std::map<std::string, std::vector<Outcome>> forms;  ///< finished trainings by form, in the order of seeds
  std::optional<Outcome> pruned;                      ///< sparse with kPruned of its blocks
  std::optional<StepSeconds> steps;
  std::string trouble;  ///< why a training is missing; empty: none failed
};

/// The experiment's table with its verdicts, the appendix on pruned networks, and what each figure means, as Markdown.
std::string to_markdown(const std::vector<Section>& sections);
/// One line for each training.
std::string to_csv(const std::vector<Section>& sections);
/// Everything, curves too.
std::string to_json(const std::vector<Section>& sections);

}  // namespace weft::paper
