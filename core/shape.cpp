#include <weft/core/shape.hpp>

#include <algorithm>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

std::int64_t checked_product(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) throw ShapeError({.op = "shape", .what = cat(a, " x ", b, " elements exceed 64 bits")});
  return product;
}

Shape::Shape(std::initializer_list<std::int64_t> extents) {
  if (extents.size() > kMaxRank)
    throw ShapeError({.op = "shape", .what = cat("rank ", extents.size(), " given, at most ", kMaxRank, " allowed")});
  for (const std::int64_t extent : extents) {
    if (extent < 0) throw ShapeError({.op = "shape", .what = cat("extent ", extent, " is negative")});
    extent_[static_cast<std::size_t>(rank_++)] = extent;
  }
  size();
}

std::int64_t Shape::size() const {
  std::int64_t product = 1;
  for (const std::int64_t extent : *this) product = checked_product(product, extent);
  return product;
}

Shape Shape::operator+(std::int64_t extent) const {
  if (rank_ == kMaxRank) throw ShapeError({.op = "shape", .what = cat(str(), " has no room for another axis")});
  Shape longer = *this;
  longer.extent_[static_cast<std::size_t>(longer.rank_++)] = extent;
  longer.size();
  return longer;
}

Shape Shape::with_back(std::int64_t extent) const {
  Shape changed = *this;
  changed.extent_[static_cast<std::size_t>(rank_ - 1)] = extent;
  changed.size();
  return changed;
}

Shape Shape::without_back() const {
  Shape shape = *this;
  if (shape.rank_ > 0) shape.extent_[static_cast<std::size_t>(--shape.rank_)] = 0;
  return shape;
}

bool Shape::operator==(const Shape& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

std::string Shape::str() const {
  if (rank_ == 0) return "scalar";
  std::string text;
  for (const std::int64_t extent : *this) text += (text.empty() ? "" : "x") + std::to_string(extent);
  return text;
}

}  // namespace weft
