#include <weft/layers/field_map.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace weft {

Tensor FieldMap::to_field(const Tensor& values) const {
  Tensor field = Tensor::plain(values.dtype(), shape);
  by_float(values.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < shape.size(); ++i) {
      const std::int64_t from = at(i);
      field.data<T>()[i] = from < 0 ? T{0} : values.data<T>()[from];
    }
  });
  return field;
}

Tensor FieldMap::from_field(const Tensor& field) const {
  Tensor values = Tensor::plain(field.dtype(), {stored});
  values.fill(0);
  by_float(field.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < shape.size(); ++i)
      if (const std::int64_t to = at(i); to >= 0) values.data<T>()[to] = field.data<T>()[i];
  });
  return values;
}

namespace {

/// Rows and columns of each slot's block that lie inside the matrix somewhere; empty where no block is cut.
std::vector<std::pair<int, int>> reach(const SparsePattern& s) {
  if (s.rows() % s.block().height == 0 && s.cols() % s.block().width == 0) return {};
  std::vector<std::pair<int, int>> most(static_cast<std::size_t>(s.slots()), {0, 0});
  for (std::int64_t r = 0; r < s.grid_rows(); ++r)
    for (std::int64_t e = s.row_ptr()[static_cast<std::size_t>(r)]; e < s.row_ptr()[static_cast<std::size_t>(r) + 1]; ++e) {
      auto& [height, width] = most[static_cast<std::size_t>(s.slot(e))];
      height = std::max(height, s.height_of(r));
      width = std::max(width, s.width_of(s.col()[static_cast<std::size_t>(e)]));
    }
  return most;
}

}  // namespace

FieldMap values_map(const PatternPtr& pattern) {
  const ValueLayout block = pattern->block();
  const std::int64_t slots = pattern->slots(), stored = pattern->values_size();
  if (block.kind != BlockKind::dense) {
    const std::int64_t size = block.slot_size();
    return {{slots, size}, stored, [](std::int64_t i) { return i; }};
  }
  return {{slots, block.height, block.width}, stored, [pattern, block, most = reach(*pattern)](std::int64_t i) -> std::int64_t {
            const std::int64_t area = std::int64_t{block.height} * block.width;
            const auto slot = static_cast<std::int32_t>(i / area);
            const int m = static_cast<int>(i % area / block.width), k = static_cast<int>(i % block.width);
            const bool beyond =
                !most.empty() && (m >= most[static_cast<std::size_t>(slot)].first || k >= most[static_cast<std::size_t>(slot)].second);
            return beyond || !pattern->kept(slot, m, k) ? -1 : slot * block.slot_size() + block.offset(m, k);
          }};
}

FieldMap linear_map(const PatternPtr& dense) {
  const ValueLayout block = dense->block();
  const std::int64_t in = dense->cols(), across = dense->grid_cols();
  return {{dense->rows(), in}, dense->values_size(), [block, in, across](std::int64_t i) {
            const std::int64_t row = i / in, col = i % in;
            const std::int64_t slot = row / block.height * across + col / block.width;
            return slot * block.slot_size() + block.offset(static_cast<int>(row % block.height), static_cast<int>(col % block.width));
          }};
}

FieldMap stacked(const FieldMap& one, std::int64_t count) {
  if (count == 1) return one;
  Shape shape{count};
  for (int axis = 0; axis < one.shape.rank(); ++axis) shape = shape + one.shape[axis];
  return {shape, count * one.stored, [one, size = one.shape.size()](std::int64_t i) {
            const std::int64_t place = one.at(i % size);
            return place < 0 ? place : i / size * one.stored + place;
          }};
}

namespace {

/// Element i of [first, second, taps], `first` spread over the groups.
struct Place {
  int group, first, second, tap;
};

Place place_of(std::int64_t i, int firsts, int seconds, int taps) {
  const int first = static_cast<int>(i / taps / seconds);
  return {first / firsts, first % firsts, static_cast<int>(i / taps % seconds), static_cast<int>(i % taps)};
}

}  // namespace

FieldMap conv_map(const PatternPtr& pattern, ConvWeight w) {
  const ValueLayout block = pattern->block();
  const int out = w.out / w.groups, in = w.in / w.groups;
  return {w.field(w.out, in), pattern->values_size(), [block, out, in, w](std::int64_t i) {
            const Place p = place_of(i, out, in, w.taps());
            if (block.kind == BlockKind::diagonal) return p.tap * block.slot_size() + p.group;  // depthwise: a group is a channel
            return (std::int64_t{p.tap} * w.groups + p.group) * block.slot_size() + block.offset(p.first, p.second);
          }};
}

FieldMap conv_transpose_map(const PatternPtr& pattern, ConvWeight w) {
  const ValueLayout block = pattern->block();
  const int out = w.out / w.groups, in = w.in / w.groups;
  return {w.field(w.in, out), pattern->values_size(), [block, out, in, w](std::int64_t i) {
            const Place p = place_of(i, in, out, w.taps());
            if (block.kind == BlockKind::diagonal) return p.tap * block.slot_size() + p.group;
            return (std::int64_t{p.tap} * w.groups + p.group) * block.slot_size() + block.offset(p.second, p.first);
          }};
}

FieldMap native_linear_map(std::int64_t in, std::int64_t out) {
  const ValueLayout block{BlockKind::dense, static_cast<int>(out), static_cast<int>(in)};
  return {{out, in}, block.slot_size(), [block, in](std::int64_t i) {
            return block.offset(static_cast<int>(i / in), static_cast<int>(i % in));
          }};
}

FieldMap native_conv_map(ConvWeight w) {
  const int out = w.out / w.groups, in = w.in / w.groups;
  const ValueLayout block{BlockKind::dense, out, w.taps() * in};
  return {w.field(w.out, in), w.groups * block.slot_size(), [block, out, in, w](std::int64_t i) {
            const Place p = place_of(i, out, in, w.taps());
            return p.group * block.slot_size() + block.offset(p.first, p.tap * in + p.second);
          }};
}

FieldMap native_conv_transpose_map(ConvWeight w) {
  const int out = w.out / w.groups, in = w.in / w.groups;
  const ValueLayout block{BlockKind::dense, w.taps() * out, in};
  return {w.field(w.in, out), w.groups * block.slot_size(), [block, out, in, w](std::int64_t i) {
            const Place p = place_of(i, in, out, w.taps());
            return p.group * block.slot_size() + block.offset(p.tap * out + p.second, p.first);
          }};
}

}  // namespace weft
