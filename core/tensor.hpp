#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <weft/core/columns.hpp>
#include <weft/core/dtype.hpp>
#include <weft/core/shape.hpp>
#include <weft/core/storage.hpp>

namespace weft {

/// A shared handle to an array: either *tiled*, of logical shape `[rows…, N]` stored `[tile][rows…][lane]` (see Columns),
/// or *plain*, row-major without Columns (parameters, file contents). 64-byte aligned. Copies share the elements.
class Tensor {
 public:
  Tensor() = default;

  /// A plain row-major array, contents unspecified. Throws OutOfMemory.
  static Tensor plain(Dtype dtype, Shape shape, const Pool& pool = Pool());
  /// A tiled array of `[rows…, N]`, contents unspecified (padding lanes too). Throws OutOfMemory, ShapeError without columns.
  static Tensor tiled(Dtype dtype, Shape rows, ColumnsPtr columns, const Pool& pool = Pool());
  /// A plain array that lives in the bytes of another from element `first` on. Throws ShapeError if it does not fit.
  static Tensor plain_view(const Tensor& arena, std::int64_t first, Shape shape);

  bool defined() const { return storage_ != nullptr; }
  Dtype dtype() const { return dtype_; }
  /// The row axes of a tiled tensor; the whole shape of a plain one.
  const Shape& rows() const { return shape_; }
  std::int64_t row_count() const { return shape_.size(); }
  bool is_tiled() const { return columns_ != nullptr; }
  const ColumnsPtr& columns() const { return columns_; }
  /// Elements between a row of one tile and the same row of the next.
  std::int64_t tile_stride() const { return tile_stride_; }
  /// Elements stored when the storage is contiguous: rows times padded columns (tiled) or the shape's size (plain).
  std::int64_t element_count() const;
  /// False only for a row view of a wider tensor with several tiles.
  bool is_contiguous() const;

  /// The first element. Throws UsageError if T is not the dtype.
  template <class T>
  T* data() const {
    require(dtype_of<T>());
    return reinterpret_cast<T*>(first_byte());
  }
  std::byte* bytes() const { return first_byte(); }

  /// Rows [begin, end) of the flattened row axes, with no copy, to read or to write. Throws ShapeError.
  Tensor slice_rows(std::int64_t begin, std::int64_t end) const;
  /// The same elements under other row axes; N is never reshaped. Throws ShapeError if the row counts differ.
  Tensor reshape_rows(Shape rows) const;
  /// A contiguous copy.
  Tensor clone(const Pool& pool = Pool()) const;
  /// Sets every stored element, padding included.
  void fill(double value) const;
  bool shares_storage(const Tensor& other) const { return storage_ == other.storage_ && offset_ == other.offset_; }

 private:
  std::byte* first_byte() const { return storage_.get() + offset_; }
  void require(Dtype asked) const;

  std::shared_ptr<std::byte> storage_;
  std::int64_t offset_ = 0;  // bytes
  Dtype dtype_ = Dtype::f32;
  Shape shape_;
  ColumnsPtr columns_;
  std::int64_t tile_stride_ = 0;
};

/// Packs sample-major values `[N][rows]` (as loaders hold them) into tiles; padding lanes repeat the last column.
template <class T>
Tensor pack_samples(const T* samples, Shape rows, ColumnsPtr columns, const Pool& pool = Pool());

/// Packs row-major `[rows…, N]` values (as users write them) into tiles; padding lanes repeat the last column.
template <class T>
Tensor pack_rows(const std::vector<T>& values, Shape rows, ColumnsPtr columns, const Pool& pool = Pool());

/// The values of a tensor in row-major `[rows…, N]` order (tiled) or its own order (plain); padding left out.
template <class T>
std::vector<T> unpack_rows(const Tensor& tensor);

/// The same shape in another floating dtype. Throws UsageError for integers.
Tensor cast(const Tensor& tensor, Dtype dtype);

}  // namespace weft
