#include <weft/core/patterns/builder.hpp>

#include <algorithm>
#include <utility>

namespace weft::patterns {

int fitted(std::int64_t extent, int block) { return static_cast<int>(std::clamp<std::int64_t>(extent, 1, block)); }

std::size_t mask_words(const ValueLayout& block) { return static_cast<std::size_t>((std::int64_t{block.height} * block.width + 63) / 64); }

Mask mask_of(const SparsePattern& pattern, std::int32_t slot) {
  const PatternSpec& spec = pattern.spec();
  if (spec.mask_bits.empty() || spec.mask[static_cast<std::size_t>(slot)] < 0) return {};
  const auto words = static_cast<std::ptrdiff_t>(mask_words(spec.block));
  const auto first = spec.mask_bits.begin() + spec.mask[static_cast<std::size_t>(slot)] * words;
  return {first, first + words};
}

void keep(Mask& mask, const ValueLayout& block, int m, int k) {
  const auto bit = static_cast<std::size_t>(m) * static_cast<std::size_t>(block.width) + static_cast<std::size_t>(k);
  mask[bit / 64] |= std::uint64_t{1} << (bit % 64);
}

RowBuilder::RowBuilder(std::int64_t rows, std::int64_t cols, ValueLayout block, std::string name) {
  spec_.rows = rows;
  spec_.cols = cols;
  spec_.block = block;
  spec_.name = std::move(name);
  spec_.row_ptr = {0};
}

void RowBuilder::add(std::int64_t col, const Mask& mask) {
  const auto [found, is_new] = row_.emplace(static_cast<std::int32_t>(col), mask);
  if (is_new || found->second.empty()) return;
  if (mask.empty()) found->second.clear();
  for (std::size_t i = 0; i < found->second.size(); ++i) found->second[i] |= mask[i];
}

void RowBuilder::end_row() {
  for (auto& [col, mask] : row_) {
    std::int32_t index = -1;
    if (!mask.empty()) {
      const auto [found, is_new] = masks_.emplace(mask, static_cast<std::int32_t>(masks_.size()));
      if (is_new) spec_.mask_bits.insert(spec_.mask_bits.end(), mask.begin(), mask.end());
      index = found->second;
    }
    spec_.col.push_back(col);
    spec_.mask.push_back(index);
  }
  spec_.row_ptr.push_back(static_cast<std::int64_t>(spec_.col.size()));
  row_.clear();
}

PatternSpec RowBuilder::finish() {
  if (masks_.empty()) spec_.mask.clear();
  return std::move(spec_);
}

void drop_trivial_tie(PatternSpec& spec) {
  if (spec.slots != static_cast<std::int64_t>(spec.tie.size())) return;
  for (std::size_t e = 0; e < spec.tie.size(); ++e)
    if (spec.tie[e] != static_cast<std::int32_t>(e)) return;
  spec.tie.clear();
}

}  // namespace weft::patterns
