#pragma once

#include <cstdint>
#include <functional>

#include <weft/core/shape.hpp>
#include <weft/core/sparse_pattern.hpp>
#include <weft/core/tensor.hpp>

namespace weft {

/// Where the elements of a weight in the field's shape lie in storage.
struct FieldMap {
  Shape shape;              ///< in the field, e.g. [out, in, kh, kw]
  std::int64_t stored = 0;  ///< elements in storage, padding included
  /// Storage offset of field element i (row-major); negative for an entry that is not stored (masked, beyond a ragged edge).
  std::function<std::int64_t(std::int64_t i)> at;

  Tensor to_field(const Tensor& values) const;
  /// Storage filled from field elements; padding and entries that are not stored are zero.
  Tensor from_field(const Tensor& field) const;
};

/// A pattern's values as they are: [slots, height, width]; [slots, n] for diagonal blocks, [slots, 1] for identities.
FieldMap values_map(const PatternPtr& pattern);
/// [out, in] over a pattern that stores every block once (patterns::dense).
FieldMap linear_map(const PatternPtr& dense);

/// `count` weights one after another: [count, shape…]; for one, the map itself.
FieldMap stacked(const FieldMap& one, std::int64_t count);

/// A convolution's channels and taps: what decides where its weight lies.
struct ConvWeight {
  int in, out, kernel, groups;
  int dims = 2;  ///< of the lattice: kernel x kernel taps, or kernel taps of a series

  int taps() const { return dims == 2 ? kernel * kernel : kernel; }
  /// [first, second, kh, kw], or [first, second, k].
  Shape field(int first, int second) const { return dims == 2 ? Shape{first, second, kernel, kernel} : Shape{first, second, kernel}; }
};
/// [out, in/groups, kh, kw] (or k) over one slot a tap and group.
FieldMap conv_map(const PatternPtr& pattern, ConvWeight weight);
/// [in, out/groups, kh, kw] over one slot a tap and group.
FieldMap conv_transpose_map(const PatternPtr& pattern, ConvWeight weight);

// The conventional layouts, as autograd/ops/native.hpp states them.
FieldMap native_linear_map(std::int64_t in, std::int64_t out);
FieldMap native_conv_map(ConvWeight weight);
FieldMap native_conv_transpose_map(ConvWeight weight);

}  // namespace weft
