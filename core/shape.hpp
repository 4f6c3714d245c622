#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace weft {

/// Up to six extents, outermost first.
class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  /// Throws ShapeError for more than six extents, a negative one, or a product beyond int64.
  Shape(std::initializer_list<std::int64_t> extents);

  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return extent_[static_cast<std::size_t>(axis)]; }
  std::int64_t back() const { return extent_[static_cast<std::size_t>(rank_ - 1)]; }
  const std::int64_t* begin() const { return extent_.data(); }
  const std::int64_t* end() const { return extent_.data() + rank_; }

  /// The product of the extents; 1 for an empty shape.
  std::int64_t size() const;
  /// This shape with one extent appended.
  Shape operator+(std::int64_t extent) const;
  /// This shape with its last extent replaced.
  Shape with_back(std::int64_t extent) const;
  /// This shape less its last extent; empty for an empty one.
  Shape without_back() const;
  bool operator==(const Shape& other) const;
  /// "14x14x32"; "scalar" for an empty shape.
  std::string str() const;

 private:
  std::array<std::int64_t, kMaxRank> extent_{};
  int rank_ = 0;
};

/// a * b for sizes; throws ShapeError on overflow.
std::int64_t checked_product(std::int64_t a, std::int64_t b);

/// Rows of an image-like value: height, width, channels; channel fastest.
struct Lattice {
  int h = 1, w = 1, c = 1;
  std::int64_t positions() const { return std::int64_t{h} * w; }
  std::int64_t size() const { return positions() * c; }
  Shape shape() const { return {h, w, c}; }
  bool operator==(const Lattice&) const = default;
};

}  // namespace weft
