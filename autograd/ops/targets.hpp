#pragma once

#include <cstdint>

#include <weft/autograd/tape.hpp>

namespace weft {

/// Throws UsageError unless targets are i32, ShapeError unless they have x's Columns and one row for each leading row of `logits`.
void require_targets(const char* op, Var x, const Shape& logits, const Tensor& targets);
/// Targets that are counted and not ignored, over valid columns. Throws UsageError for one that is no class.
std::int64_t count_targets(const char* op, Var x, const Shape& logits, const Tensor& targets, std::int32_t ignore);

}  // namespace weft
