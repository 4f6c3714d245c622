#include <weft/data/text_set.hpp>

#include <algorithm>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

void TextSet::add(std::span<const std::int32_t> text, std::int32_t label) {
  ids.insert(ids.end(), text.begin(), text.end());
  starts.push_back(static_cast<std::int64_t>(ids.size()));
  labels.push_back(label);
}

void check_consistent(const TextSet& set, const char* op) {
  if (set.starts.size() != set.labels.size() + 1 || set.starts.front() != 0 ||
      set.starts.back() != static_cast<std::int64_t>(set.ids.size()) || !std::is_sorted(set.starts.begin(), set.starts.end()))
    throw ShapeError({.op = op,
                      .what = cat("a set of ", set.labels.size(), " labelled texts has ", set.starts.size(),
                                  " starts, which must go from 0 to ", set.ids.size(), ", its ids")});
  for (std::size_t i = 0; i < set.labels.size(); ++i)
    if (set.labels[i] < 0 || set.labels[i] >= set.classes)
      throw ShapeError({.op = op, .what = cat("text ", i, " has label ", set.labels[i], ", the set has ", set.classes, " classes")});
}

TextSet hold_out(TextSet& set, double share) {
  if (!(share >= 0 && share < 1))
    throw UsageError({.op = "hold_out", .what = cat("the share is ", share), .hint = "give one of at least 0 and less than 1"});
  check_consistent(set, "hold_out");
  const std::int64_t kept = set.size() - static_cast<std::int64_t>(share * static_cast<double>(set.size()));
  TextSet held{.classes = set.classes, .labels = {}, .ids = {}};
  for (std::int64_t i = kept; i < set.size(); ++i) held.add(set.text(i), set.labels[static_cast<std::size_t>(i)]);
  set.labels.resize(static_cast<std::size_t>(kept));
  set.starts.resize(static_cast<std::size_t>(kept) + 1);
  set.ids.resize(static_cast<std::size_t>(set.starts.back()));
  return held;
}

}  // namespace weft
