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

/// How a weight gradient is cut for any number of threads: at most 16 parts, times `slices` of their values that a kernel computes apart
/// (panels), fixed by the pattern alone. Untied, parts are ranges of block rows, which own their slots. Tied, each range sums into an
/// array of its own, and these are added in order; where rows fall into classes that share no slots, parts are ranges of classes first,
/// and only shares of a class's rows need arrays of their own.
template <class T>
class WeightParts {
 public:
  /// `class_cost`: a running total over the classes; null: none.
  explicit WeightParts(const SddmmCall& call, std::int64_t slices = 1, const std::vector<std::int64_t>* class_cost = nullptr)
      : values_(call.dvalues.data<T>()), size_(call.s.values_size()), slices_(slices), tied_(call.s.tied()) {
    const SparsePattern& s = call.s;
    const std::int64_t most = std::max<std::int64_t>(1, kMost / slices_),
                       uses = std::max<std::int64_t>(1, s.blocks() / std::max(1, s.slots()));
    if (class_cost != nullptr) {
      const auto classes = static_cast<std::int64_t>(class_cost->size()) - 1;
      arrays_ = std::clamp<std::int64_t>(most / classes, 1, uses);
      ranges_ = std::min(most / arrays_, classes);
      count_ = ranges_ * arrays_;
      bounds_ = balanced_ranges(*class_cost, ranges_);
    } else {
      count_ = ranges_ = std::max<std::int64_t>(1, std::min({most, s.grid_rows(), tied_ ? uses : most}));
      arrays_ = tied_ ? count_ : 1;
      bounds_ = balanced_ranges({s.row_ptr().begin(), s.row_ptr().end()}, count_);
    }
    if (call.dbias.defined()) {
      bias_ = call.dbias.data<T>();
      bias_size_ = call.dbias.row_count();
    }
    partial_.assign(static_cast<std::size_t>(own_size() + count_ * slices_ * bias_size_), T{});
    const bool ragged = s.cols() % s.block().width != 0;
    if (arrays_ == 1 && (tied_ || ragged || s.blocks() == 0))
      for_chunks([&](std::int64_t begin, std::int64_t end) { std::fill(values_ + begin, values_ + end, T{}); });
  }

  std::int64_t count() const { return count_; }
  /// Block rows, or classes and which of how many shares of their rows.
  std::int64_t begin(std::int64_t part) const { return bounds_[static_cast<std::size_t>(part % ranges_)]; }
  std::int64_t end(std::int64_t part) const { return bounds_[static_cast<std::size_t>(part % ranges_) + 1]; }
  std::int64_t share(std::int64_t part) const { return part / ranges_; }
  std::int64_t shares() const { return count_ / ranges_; }
  /// Where part `part` leaves its values: zeroed where they accumulate.
  T* values(std::int64_t part) { return arrays_ > 1 ? partial_.data() + part * arrays_ / count_ * size_ : values_; }
  /// True if a block's values must be added to what is there, false if they are the first and only ones.
  bool accumulates() const { return tied_; }
  T* bias(std::int64_t part, std::int64_t slice = 0) {
    return bias_ == nullptr ? nullptr : partial_.data() + own_size() + (part * slices_ + slice) * bias_size_;
  }
  std::int64_t bias_size() const { return bias_size_; }

  /// Adds the arrays in order.
  void finish() {
    const auto add = [](T* out, const T* parts, std::int64_t count, std::int64_t size, std::int64_t begin, std::int64_t end) {
      std::copy(parts + begin, parts + end, out + begin);
      for (std::int64_t p = 1; p < count; ++p)
        for (std::int64_t i = begin; i < end; ++i) out[i] += parts[p * size + i];
    };
    if (arrays_ > 1) for_chunks([&](std::int64_t begin, std::int64_t end) { add(values_, partial_.data(), arrays_, size_, begin, end); });
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
  std::int64_t own_size() const { return arrays_ > 1 ? arrays_ * size_ : 0; }

  T* values_;
  T* bias_ = nullptr;
  std::int64_t size_, bias_size_ = 0, slices_;
  std::int64_t count_ = 1, ranges_ = 1, arrays_ = 1;  // parts; of rows or classes; of values
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
