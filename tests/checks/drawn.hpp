#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <weft/core/random.hpp>
#include <weft/core/tensor.hpp>

/// Drawn tensors in double, and tensors read back as double.
namespace weft::checks {

inline std::vector<double> normal_values(std::int64_t n, std::uint64_t stream) {
  const Random random(11, stream);
  std::vector<double> values(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = random.normal(i);
  return values;
}

inline Tensor normal_rows(const Shape& rows, const ColumnsPtr& columns, std::uint64_t stream) {
  return pack_rows(normal_values(rows.size() * columns->count, stream), rows, columns);
}

inline Tensor normal_plain(std::int64_t n, std::uint64_t stream) {
  const std::vector<double> values = normal_values(n, stream);
  const Tensor t = Tensor::plain(Dtype::f64, {n});
  std::copy(values.begin(), values.end(), t.data<double>());
  return t;
}

/// The values of a floating tensor in double.
inline std::vector<double> doubles(const Tensor& t) { return unpack_rows<double>(t.dtype() == Dtype::f64 ? t : cast(t, Dtype::f64)); }

}  // namespace weft::checks
