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

/// How a weight gradient is cut for any number of threads: at most 16 parts, ranges of block rows times `slices` of their values that
/// a kernel computes apart (panels), fixed by the pattern alone. Where blocks are tied each range sums into an array of its own, and
/// these are added in order; untied, ranges write disjoint slots in place, and so do ranges of classes of rows that share no slots.
template <class T>
class WeightParts {
 public:
  /// `class_cost`: a running total over classes, whose ranges the parts are then; null: parts are ranges of block rows.
  explicit WeightParts(const SddmmCall& call, std::int64_t slices = 1, const std::vector<std::int64_t>* class_cost = nullptr)
      : values_(call.dvalues.data<T>()),
        size_(call.s.values_size()),
        slices_(slices),
        tied_(call.s.tied()),
        in_place_(class_cost != nullptr) {
    const SparsePattern& s = call.s;
    const std::int64_t units = in_place_ ? static_cast<std::int64_t>(class_cost->size()) - 1 : s.grid_rows();
    const std::int64_t reuse = tied_ && !in_place_ ? std::max<std::int64_t>(1, s.blocks() / std::max(1, s.slots())) : units;
    count_ = std::max<std::int64_t>(1, std::min({kMost / slices_, units, reuse}));
    bounds_ = in_place_ ? balanced_ranges(*class_cost, count_) : balanced_ranges({s.row_ptr().begin(), s.row_ptr().end()}, count_);
    if (call.dbias.defined()) {
      bias_ = call.dbias.data<T>();
      bias_size_ = call.dbias.row_count();
    }
    partial_.assign(static_cast<std::size_t>(own_size() + count_ * slices_ * bias_size_), T{});
    const bool ragged = s.cols() % s.block().width != 0;
    if (!own_values() && (tied_ || ragged || s.blocks() == 0))
      for_chunks([&](std::int64_t begin, std::int64_t end) { std::fill(values_ + begin, values_ + end, T{}); });
  }

  std::int64_t count() const { return count_; }
  std::int64_t begin(std::int64_t part) const { return bounds_[static_cast<std::size_t>(part)]; }
  std::int64_t end(std::int64_t part) const { return bounds_[static_cast<std::size_t>(part) + 1]; }
  /// Where part `part` leaves its values: zeroed where they accumulate.
  T* values(std::int64_t part) { return own_values() ? partial_.data() + part * size_ : values_; }
  /// True if a block's values must be added to what is there, false if they are the first and only ones.
  bool accumulates() const { return tied_; }
  T* bias(std::int64_t part, std::int64_t slice = 0) {
    return bias_ == nullptr ? nullptr : partial_.data() + own_size() + (part * slices_ + slice) * bias_size_;
  }
  std::int64_t bias_size() const { return bias_size_; }

  /// Adds the parts in order.
  void finish() {
    const auto add = [](T* out, const T* parts, std::int64_t count, std::int64_t size, std::int64_t begin, std::int64_t end) {
      std::copy(parts + begin, parts + end, out + begin);
      for (std::int64_t p = 1; p < count; ++p)
        for (std::int64_t i = begin; i < end; ++i) out[i] += parts[p * size + i];
    };
    if (own_values()) for_chunks([&](std::int64_t begin, std::int64_t end) { add(values_, values(0), count_, size_, begin, end); });
    if (bias_ != nullptr) add(bias_, bias(0), count_ * slices_, bias_size_, 0, bias_size_);
  }

 private:
  static constexpr std::int64_t kMost = 16;
  /// Kept between calls: a steady step allocates nothing.
  static std::vector<T>& scratch() {
    static thread_local std::vector<T> kept;
    return kept;
  }
  /// Calls f(begin, end) for ranges of the values, by all threads.
  template <class F>
  void for_chunks(F&& f) const {
    constexpr std::int64_t kChunk = 4096;
    parallel_for((size_ + kChunk - 1) / kChunk, [&](std::int64_t c) { f(c * kChunk, std::min(size_, (c + 1) * kChunk)); });
  }
  bool own_values() const { return tied_ && !in_place_ && count_ > 1; }
  std::int64_t own_size() const { return own_values() ? count_ * size_ : 0; }

  T* values_;
  T* bias_ = nullptr;
  std::int64_t size_, bias_size_ = 0, count_ = 1, slices_;
  bool tied_, in_place_;
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
