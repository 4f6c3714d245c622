#include <weft/layers/pattern_state.hpp>

#include <climits>
#include <cstdint>
#include <vector>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

template <class Values>
Tensor as_i32(const Values& values) {
  Tensor t = Tensor::plain(Dtype::i32, {static_cast<std::int64_t>(values.size())});
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] > INT32_MAX) throw ShapeError({.op = "pattern_state", .what = cat(values[i], " does not fit a 32-bit array")});
    t.data<std::int32_t>()[i] = static_cast<std::int32_t>(values[i]);
  }
  return t;
}

Tensor masks_of(const SparsePattern& s) {
  Tensor t = Tensor::plain(Dtype::u8, {s.slots(), s.block().height, s.block().width});
  std::uint8_t* out = t.data<std::uint8_t>();
  for (std::int32_t slot = 0; slot < s.slots(); ++slot)
    for (int m = 0; m < s.block().height; ++m)
      for (int k = 0; k < s.block().width; ++k) *out++ = s.kept(slot, m, k) ? 1 : 0;
  return t;
}

const Tensor* find(const State& state, const std::string& name) {
  for (const auto& [key, value] : state)
    if (key == name) return &value;
  return nullptr;
}

std::vector<std::int32_t> i32_array(const State& state, const std::string& name) {
  const Tensor* found = find(state, name);
  if (found == nullptr || found->dtype() != Dtype::i32 || found->is_tiled())
    throw UsageError({.op = "pattern_from_state",
                      .path = name,
                      .what = found == nullptr ? "the array is missing" : cat("the array holds ", name_of(found->dtype()), ", not i32"),
                      .hint = "a sparse layer is saved as values, row_ptr, col, tie and shape"});
  return {found->data<std::int32_t>(), found->data<std::int32_t>() + found->row_count()};
}

/// One mask per slot from bytes [slots, height, width].
void set_masks(PatternSpec& spec, const Tensor& bytes, const std::string& name) {
  const std::int64_t area = std::int64_t{spec.block.height} * spec.block.width, words = (area + 63) / 64;
  if (bytes.dtype() != Dtype::u8 || bytes.row_count() != spec.slots * area)
    throw ShapeError({.op = "pattern_from_state",
                      .path = name,
                      .what = cat(bytes.row_count(), " values of ", name_of(bytes.dtype()), ", expected ", spec.slots * area, " of u8")});
  spec.mask_bits.assign(static_cast<std::size_t>(spec.slots * words), 0);
  for (std::int32_t slot = 0; slot < spec.slots; ++slot) {
    spec.mask.push_back(slot);
    for (std::int64_t i = 0; i < area; ++i)
      if (bytes.data<std::uint8_t>()[slot * area + i] != 0)
        spec.mask_bits[static_cast<std::size_t>(slot * words + i / 64)] |= std::uint64_t{1} << (i % 64);
  }
}

}  // namespace

State pattern_state(const SparsePattern& s, const std::string& prefix) {
  std::vector<std::int32_t> tie;
  for (std::int64_t e = 0; e < s.blocks(); ++e) tie.push_back(s.slot(e));
  const std::vector<std::int64_t> shape = {s.rows(),        s.cols(),  s.block().height,
                                           s.block().width, s.slots(), static_cast<std::int64_t>(s.block().kind)};
  State state{{prefix + ".row_ptr", as_i32(s.row_ptr())},
              {prefix + ".col", as_i32(s.col())},
              {prefix + ".tie", as_i32(tie)},
              {prefix + ".shape", as_i32(shape)}};
  if (s.masked()) state.emplace_back(prefix + ".mask", masks_of(s));
  return state;
}

PatternPtr pattern_from_state(const State& state, const std::string& prefix) {
  const std::vector<std::int32_t> shape = i32_array(state, prefix + ".shape"), row_ptr = i32_array(state, prefix + ".row_ptr");
  if (shape.size() != 6 || shape[5] < 0 || shape[5] > static_cast<int>(BlockKind::identity))
    throw ShapeError({.op = "pattern_from_state",
                      .path = prefix + ".shape",
                      .what = cat("must hold rows, columns, block height, block width, slots and a block kind of 0 to 2; has ",
                                  shape.size(), " entries")});
  PatternSpec spec{.rows = shape[0], .cols = shape[1], .block = {static_cast<BlockKind>(shape[5]), shape[2], shape[3]}};
  spec.row_ptr.assign(row_ptr.begin(), row_ptr.end());
  spec.col = i32_array(state, prefix + ".col");
  spec.tie = i32_array(state, prefix + ".tie");
  spec.slots = shape[4];
  bool own = spec.slots == static_cast<std::int32_t>(spec.col.size()) && spec.tie.size() == spec.col.size();
  for (std::size_t i = 0; own && i < spec.tie.size(); ++i) own = spec.tie[i] == static_cast<std::int32_t>(i);
  if (own) spec.tie.clear();
  spec.name = cat(prefix, " ", spec.cols, " -> ", spec.rows);
  if (const Tensor* mask = find(state, prefix + ".mask")) {
    if (spec.slots < 0 || spec.block.height < 1 || spec.block.width < 1)
      throw ShapeError({.op = "pattern_from_state",
                        .path = prefix + ".shape",
                        .what = cat(spec.slots, " slots of ", spec.block.height, " x ", spec.block.width)});
    set_masks(spec, *mask, prefix + ".mask");
  }
  return make_pattern(std::move(spec));
}

}  // namespace weft
