#include <weft/core/tensor.hpp>

#include <algorithm>
#include <cstring>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

Tensor Tensor::plain(Dtype dtype, Shape shape, const Pool& pool) {
  Tensor t;
  t.dtype_ = dtype;
  t.shape_ = shape;
  t.tile_stride_ = shape.size();
  t.storage_ = pool.take(checked_product(t.tile_stride_, static_cast<std::int64_t>(size_of(dtype))));
  return t;
}

Tensor Tensor::tiled(Dtype dtype, Shape rows, ColumnsPtr columns, const Pool& pool) {
  if (columns == nullptr) throw ShapeError({.op = "tensor", .what = cat("rows ", rows.str(), " given without columns")});
  Tensor t;
  t.dtype_ = dtype;
  t.shape_ = rows;
  t.tile_stride_ = checked_product(rows.size(), columns->lanes);
  const std::int64_t elements = checked_product(t.tile_stride_, columns->tiles());
  t.columns_ = std::move(columns);
  t.storage_ = pool.take(checked_product(elements, static_cast<std::int64_t>(size_of(dtype))));
  return t;
}

Tensor Tensor::plain_view(const Tensor& arena, std::int64_t first, Shape shape) {
  if (arena.is_tiled() || first < 0 || first > arena.row_count() || shape.size() > arena.row_count() - first)
    throw ShapeError({.op = "tensor", .what = cat(shape.str(), " from element ", first, " does not fit an arena of ", arena.rows().str())});
  Tensor t = arena;
  t.offset_ += first * static_cast<std::int64_t>(size_of(arena.dtype_));
  t.shape_ = shape;
  t.tile_stride_ = shape.size();
  return t;
}

std::int64_t Tensor::element_count() const { return row_count() * (columns_ ? columns_->padded() : 1); }

bool Tensor::is_contiguous() const { return !columns_ || columns_->tiles() <= 1 || tile_stride_ == row_count() * columns_->lanes; }

void Tensor::require(Dtype asked) const {
  if (!defined()) throw UsageError({.op = "tensor", .what = "an undefined tensor has no data"});
  if (asked != dtype_) throw UsageError({.op = "tensor", .what = cat(name_of(asked), " data asked of a tensor of ", name_of(dtype_))});
}

Tensor Tensor::slice_rows(std::int64_t begin, std::int64_t end) const {
  if (begin < 0 || begin > end || end > row_count())
    throw ShapeError({.op = "slice_rows", .what = cat("rows [", begin, ", ", end, ") of a tensor with ", row_count(), " rows")});
  Tensor view = *this;
  const std::int64_t lanes = columns_ ? columns_->lanes : 1;
  view.offset_ += begin * lanes * static_cast<std::int64_t>(size_of(dtype_));
  view.shape_ = {end - begin};
  return view;
}

Tensor Tensor::reshape_rows(Shape rows) const {
  if (rows.size() != row_count())
    throw ShapeError(
        {.op = "reshape", .what = cat(shape_.str(), " (", row_count(), " rows) cannot become ", rows.str(), " (", rows.size(), ")")});
  Tensor view = *this;
  view.shape_ = rows;
  return view;
}

Tensor Tensor::clone(const Pool& pool) const {
  Tensor copy = columns_ ? tiled(dtype_, shape_, columns_, pool) : plain(dtype_, shape_, pool);
  const auto width = static_cast<std::int64_t>(size_of(dtype_));
  const std::int64_t tiles = columns_ ? columns_->tiles() : 1;
  for (std::int64_t tile = 0; tile < tiles; ++tile)
    std::memcpy(copy.bytes() + tile * copy.tile_stride_ * width, bytes() + tile * tile_stride_ * width,
                static_cast<std::size_t>(copy.tile_stride_ * width));
  return copy;
}

namespace {

template <class F>
decltype(auto) by_dtype(Dtype t, F&& f) {
  switch (t) {
    case Dtype::u8: return f(std::uint8_t{});
    case Dtype::i32: return f(std::int32_t{});
    case Dtype::f32: return f(float{});
    case Dtype::f64: return f(double{});
  }
  throw UsageError({.op = "tensor", .what = "unknown dtype"});
}

}  // namespace

void Tensor::fill(double value) const {
  by_dtype(dtype_, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t tiles = columns_ ? columns_->tiles() : 1;
    const std::int64_t run = row_count() * (columns_ ? columns_->lanes : 1);
    for (std::int64_t tile = 0; tile < tiles; ++tile) std::fill_n(data<T>() + tile * tile_stride_, run, static_cast<T>(value));
  });
}

template <class T>
Tensor pack_samples(const T* samples, Shape rows, ColumnsPtr columns, const Pool& pool) {
  Tensor packed = Tensor::tiled(dtype_of<T>(), rows, columns, pool);
  const std::int64_t row_count = rows.size();
  const int lanes = columns->lanes;
  for (std::int64_t tile = 0; tile < columns->tiles(); ++tile) {
    T* out = packed.data<T>() + tile * packed.tile_stride();
    for (int lane = 0; lane < lanes; ++lane) {
      const T* in = samples + std::min(tile * lanes + lane, columns->count - 1) * row_count;
      for (std::int64_t row = 0; row < row_count; ++row) out[row * lanes + lane] = in[row];
    }
  }
  return packed;
}

template <class T>
Tensor pack_rows(const std::vector<T>& values, Shape rows, ColumnsPtr columns, const Pool& pool) {
  const std::int64_t n = columns->count;
  if (static_cast<std::int64_t>(values.size()) != rows.size() * n)
    throw ShapeError({.op = "pack_rows", .what = cat(values.size(), " values given for ", rows.str(), " rows and ", n, " columns")});
  Tensor packed = Tensor::tiled(dtype_of<T>(), rows, columns, pool);
  const int lanes = columns->lanes;
  for (std::int64_t tile = 0; tile < columns->tiles(); ++tile)
    for (std::int64_t row = 0; row < rows.size(); ++row)
      for (int lane = 0; lane < lanes; ++lane)
        packed.data<T>()[tile * packed.tile_stride() + row * lanes + lane] =
            values[static_cast<std::size_t>(row * n + std::min(tile * lanes + lane, n - 1))];
  return packed;
}

template <class T>
std::vector<T> unpack_rows(const Tensor& tensor) {
  const std::int64_t rows = tensor.row_count();
  if (!tensor.is_tiled()) return {tensor.data<T>(), tensor.data<T>() + rows};
  const Columns& columns = *tensor.columns();
  std::vector<T> values(static_cast<std::size_t>(rows * columns.count));
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t n = 0; n < columns.count; ++n)
      values[static_cast<std::size_t>(row * columns.count + n)] =
          tensor.data<T>()[n / columns.lanes * tensor.tile_stride() + row * columns.lanes + n % columns.lanes];
  return values;
}

#define WEFT_INSTANTIATE(T)                                                            \
  template Tensor pack_samples<T>(const T*, Shape, ColumnsPtr, const Pool&);           \
  template Tensor pack_rows<T>(const std::vector<T>&, Shape, ColumnsPtr, const Pool&); \
  template std::vector<T> unpack_rows<T>(const Tensor&);
WEFT_INSTANTIATE(std::uint8_t)
WEFT_INSTANTIATE(std::int32_t)
WEFT_INSTANTIATE(float)
WEFT_INSTANTIATE(double)
#undef WEFT_INSTANTIATE

Tensor cast(const Tensor& tensor, Dtype dtype) {
  const auto floating = [](Dtype t) { return t == Dtype::f32 || t == Dtype::f64; };
  if (!floating(tensor.dtype()) || !floating(dtype))
    throw UsageError({.op = "cast", .what = cat(name_of(tensor.dtype()), " to ", name_of(dtype), ": only f32 and f64 convert")});
  const Tensor from = tensor.is_contiguous() ? tensor : tensor.clone();
  Tensor to = from.is_tiled() ? Tensor::tiled(dtype, from.rows(), from.columns()) : Tensor::plain(dtype, from.rows());
  by_float(from.dtype(), [&](auto a) {
    by_float(dtype, [&](auto b) { std::copy_n(from.data<decltype(a)>(), from.element_count(), to.data<decltype(b)>()); });
  });
  return to;
}

}  // namespace weft
