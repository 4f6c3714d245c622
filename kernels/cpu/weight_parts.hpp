#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <weft/core/parallel.hpp>
#include <weft/core/storage.hpp>
#include <weft/core/tensor.hpp>
#include <weft/kernels/kernel_table.hpp>
#include <weft/kernels/plan.hpp>

namespace weft::kernels {

/// How a weight gradient is cut for any number of threads: at most 16 ranges of block rows, fixed by the pattern alone. Where blocks
/// are tied each part sums into an array of its own, and the parts are added in order; untied, parts write disjoint slots in place.
template <class T>
class WeightParts {
 public:
  explicit WeightParts(const SddmmCall& call) : values_(call.dvalues.data<T>()), size_(call.s.values_size()), tied_(call.s.tied()) {
    const SparsePattern& s = call.s;
    const std::int64_t reuse = tied_ ? std::max<std::int64_t>(1, s.blocks() / std::max(1, s.slots())) : s.grid_rows();
    count_ = std::max<std::int64_t>(1, std::min({kMost, s.grid_rows(), reuse}));
    bounds_ = balanced_ranges({s.row_ptr().begin(), s.row_ptr().end()}, count_);
    if (call.dbias.defined()) {
      bias_ = call.dbias.data<T>();
      bias_size_ = call.dbias.row_count();
    }
    partial_.assign(static_cast<std::size_t>(count_ * (own_values() ? size_ + bias_size_ : bias_size_)), T{});
    const bool ragged = s.cols() % s.block().width != 0;
    if (!own_values() && (tied_ || ragged || s.blocks() == 0)) std::fill_n(values_, size_, T{});
  }

  std::int64_t count() const { return count_; }
  std::int64_t begin(std::int64_t part) const { return bounds_[static_cast<std::size_t>(part)]; }
  std::int64_t end(std::int64_t part) const { return bounds_[static_cast<std::size_t>(part) + 1]; }
  /// Where part `part` leaves its values: zeroed where they accumulate.
  T* values(std::int64_t part) { return own_values() ? partial_.data() + part * (size_ + bias_size_) : values_; }
  /// True if a block's values must be added to what is there, false if they are the first and only ones.
  bool accumulates() const { return tied_; }
  T* bias(std::int64_t part) {
    if (bias_ == nullptr) return nullptr;
    return partial_.data() + (own_values() ? part * (size_ + bias_size_) + size_ : part * bias_size_);
  }
  std::int64_t bias_size() const { return bias_size_; }

  /// Adds the parts in order.
  void finish() {
    const std::int64_t row = own_values() ? size_ + bias_size_ : bias_size_, first_bias = own_values() ? size_ : 0;
    const auto add = [&](T* out, std::int64_t offset, std::int64_t begin, std::int64_t end) {
      std::copy(partial_.data() + offset + begin, partial_.data() + offset + end, out + begin);
      for (std::int64_t p = 1; p < count_; ++p) {
        const T* part = partial_.data() + p * row + offset;
        for (std::int64_t i = begin; i < end; ++i) out[i] += part[i];
      }
    };
    if (own_values()) {
      constexpr std::int64_t kChunk = 4096;
      parallel_for((size_ + kChunk - 1) / kChunk, [&](std::int64_t c) { add(values_, 0, c * kChunk, std::min(size_, (c + 1) * kChunk)); });
    }
    if (bias_ != nullptr) add(bias_, first_bias, 0, bias_size_);
  }

 private:
  static constexpr std::int64_t kMost = 16;
  /// Kept between calls: a steady step allocates nothing.
  static std::vector<T>& scratch() {
    static thread_local std::vector<T> kept;
    return kept;
  }
  bool own_values() const { return tied_ && count_ > 1; }

  T* values_;
  T* bias_ = nullptr;
  std::int64_t size_, bias_size_ = 0, count_ = 1;
  bool tied_;
  std::vector<std::int64_t> bounds_;
  std::vector<T>& partial_ = scratch();
};

/// Sets the masked entries of a weight gradient to zero.
template <class T>
void clear_masked(const SparsePattern& s, T* values) {
  if (!s.masked()) return;
  const ValueLayout& block = s.block();
  parallel_for(s.slots(), [&](std::int64_t slot) {
    for (int m = 0; m < block.height; ++m)
      for (int k = 0; k < block.width; ++k)
        if (!s.kept(static_cast<std::int32_t>(slot), m, k)) values[slot * block.slot_size() + block.offset(m, k)] = 0;
  });
}

}  // namespace weft::kernels
