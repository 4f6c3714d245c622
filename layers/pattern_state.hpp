#pragma once

#include <string>

#include <weft/core/sparse_pattern.hpp>
#include <weft/layers/parameter_store.hpp>

namespace weft {

/// Everything that rebuilds a pattern from a file, as i32 arrays: `prefix.row_ptr`, `prefix.col`, `prefix.tie` (slot of each
/// block), `prefix.shape` (rows, columns, block height, block width, slots, block kind) and, where blocks are partly filled,
/// `prefix.mask` (u8, [slots, height, width]). Lattice keys and the name are not kept. Throws ShapeError for a size beyond i32.
State pattern_state(const SparsePattern& pattern, const std::string& prefix);

/// The pattern that pattern_state() wrote. Throws UsageError for an array that is missing or holds another type, ShapeError
/// if the arrays do not make a pattern.
PatternPtr pattern_from_state(const State& state, const std::string& prefix);

}  // namespace weft
