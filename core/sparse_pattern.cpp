#include <weft/core/sparse_pattern.hpp>

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <typeinfo>

#include <weft/core/error.hpp>
#include <weft/core/shape.hpp>
#include <weft/core/text.hpp>

namespace weft {

struct SparsePattern::Lazy {
  struct Plan {
    std::shared_ptr<const void> value;
    std::int64_t (*bytes)(const void*);
  };
  std::recursive_mutex mutex;  // a plan may ask for a view
  std::unique_ptr<const ColumnView> by_column;
  std::unique_ptr<const SlotView> by_slot;
  std::map<std::string, Plan> plans;
};

namespace {

[[noreturn]] void reject(const PatternSpec& spec, const std::string& what) {
  throw ShapeError({.op = "pattern", .path = spec.name, .what = what});
}

template <class T>
std::int64_t bytes_of(const std::vector<T>& v) {
  return static_cast<std::int64_t>(v.size() * sizeof(T));
}

}  // namespace

SparsePattern::SparsePattern(PatternSpec spec) : spec_(std::move(spec)), lazy_(std::make_shared<Lazy>()) {
  if (spec_.block.height < 1 || spec_.block.width < 1 || spec_.rows < 0 || spec_.cols < 0)
    reject(spec_, cat(spec_.rows, " x ", spec_.cols, " in blocks of ", spec_.block.height, " x ", spec_.block.width));
  grid_rows_ = (spec_.rows + spec_.block.height - 1) / spec_.block.height;
  grid_cols_ = (spec_.cols + spec_.block.width - 1) / spec_.block.width;
  if (spec_.tie.empty() && spec_.slots == 0) spec_.slots = static_cast<std::int32_t>(spec_.col.size());
  validate();
}

void SparsePattern::validate() const {
  const auto& s = spec_;
  checked_product(s.rows, s.cols);
  if (grid_rows_ >= INT32_MAX || grid_cols_ >= INT32_MAX || s.col.size() >= INT32_MAX)
    reject(s, "more block rows, columns or blocks than 32-bit indices hold");
  if (s.block.kind != BlockKind::dense && s.block.height != s.block.width)
    reject(s, cat("a diagonal block must be square, got ", s.block.height, " x ", s.block.width));
  if (static_cast<std::int64_t>(s.row_ptr.size()) != grid_rows_ + 1)
    reject(s, cat("row_ptr has ", s.row_ptr.size(), " entries, expected ", grid_rows_ + 1, " for ", grid_rows_, " block rows"));
  if (s.row_ptr.front() != 0 || s.row_ptr.back() != blocks() || !std::is_sorted(s.row_ptr.begin(), s.row_ptr.end()))
    reject(s, cat("row_ptr must rise from 0 to the ", blocks(), " stored blocks, ends at ", s.row_ptr.back()));
  for (const std::int32_t c : s.col)
    if (c < 0 || c >= grid_cols_) reject(s, cat("block column ", c, " outside [0, ", grid_cols_, ")"));
  if (!s.tie.empty() && s.tie.size() != s.col.size()) reject(s, cat("tie has ", s.tie.size(), " entries for ", blocks(), " blocks"));
  for (const std::int32_t slot : s.tie)
    if (slot < 0 || slot >= s.slots) reject(s, cat("slot ", slot, " outside [0, ", s.slots, ")"));
  if (s.tie.empty() && !s.col.empty() && s.slots != static_cast<std::int32_t>(s.col.size()))
    reject(s, cat(s.slots, " slots for ", blocks(), " untied blocks"));
  if (!s.row_key.empty() && static_cast<std::int64_t>(s.row_key.size()) != grid_rows_)
    reject(s, cat(s.row_key.size(), " row keys for ", grid_rows_, " block rows"));
  if (!s.col_key.empty() && static_cast<std::int64_t>(s.col_key.size()) != grid_cols_)
    reject(s, cat(s.col_key.size(), " column keys for ", grid_cols_, " block columns"));
  const auto words = static_cast<std::size_t>((std::int64_t{s.block.height} * s.block.width + 63) / 64);
  if (!s.mask_bits.empty() &&
      (s.block.kind != BlockKind::dense || s.mask.size() != static_cast<std::size_t>(s.slots) || s.mask_bits.size() % words != 0))
    reject(s, cat("masks need dense blocks, one index per slot and ", words, " words a mask; got ", s.mask.size(), " indices and ",
                  s.mask_bits.size(), " words"));
  for (const std::int32_t m : s.mask)
    if (m < -1 || (m >= 0 && static_cast<std::size_t>(m) >= s.mask_bits.size() / words)) reject(s, cat("mask ", m, " does not exist"));
  checked_product(s.slots, s.block.slot_size());
}

int SparsePattern::height_of(std::int64_t r) const {
  return static_cast<int>(std::min<std::int64_t>(spec_.block.height, spec_.rows - r * spec_.block.height));
}

int SparsePattern::width_of(std::int64_t c) const {
  return static_cast<int>(std::min<std::int64_t>(spec_.block.width, spec_.cols - c * spec_.block.width));
}

const SparsePattern::ColumnView& SparsePattern::by_column() const {
  const std::lock_guard lock(lazy_->mutex);
  if (!lazy_->by_column) {
    ColumnView view;
    view.ptr.assign(static_cast<std::size_t>(grid_cols_) + 1, 0);
    for (const std::int32_t c : spec_.col) ++view.ptr[static_cast<std::size_t>(c) + 1];
    for (std::size_t c = 1; c < view.ptr.size(); ++c) view.ptr[c] += view.ptr[c - 1];
    view.row.resize(spec_.col.size());
    view.slot.resize(spec_.col.size());
    std::vector<std::int64_t> next(view.ptr.begin(), view.ptr.end() - 1);
    for (std::int64_t r = 0; r < grid_rows_; ++r)
      for (std::int64_t e = spec_.row_ptr[static_cast<std::size_t>(r)]; e < spec_.row_ptr[static_cast<std::size_t>(r) + 1]; ++e) {
        const auto at = static_cast<std::size_t>(next[static_cast<std::size_t>(spec_.col[static_cast<std::size_t>(e)])]++);
        view.row[at] = static_cast<std::int32_t>(r);
        view.slot[at] = slot(e);
      }
    lazy_->by_column = std::make_unique<const ColumnView>(std::move(view));
  }
  return *lazy_->by_column;
}

const SparsePattern::SlotView& SparsePattern::by_slot() const {
  const std::lock_guard lock(lazy_->mutex);
  if (!lazy_->by_slot) {
    SlotView view;
    view.ptr.assign(static_cast<std::size_t>(spec_.slots) + 1, 0);
    for (std::int64_t e = 0; e < blocks(); ++e) ++view.ptr[static_cast<std::size_t>(slot(e)) + 1];
    for (std::size_t i = 1; i < view.ptr.size(); ++i) view.ptr[i] += view.ptr[i - 1];
    view.row.resize(spec_.col.size());
    view.col.resize(spec_.col.size());
    std::vector<std::int64_t> next(view.ptr.begin(), view.ptr.end() - 1);
    for (std::int64_t r = 0; r < grid_rows_; ++r)
      for (std::int64_t e = spec_.row_ptr[static_cast<std::size_t>(r)]; e < spec_.row_ptr[static_cast<std::size_t>(r) + 1]; ++e) {
        const auto at = static_cast<std::size_t>(next[static_cast<std::size_t>(slot(e))]++);
        view.row[at] = static_cast<std::int32_t>(r);
        view.col[at] = spec_.col[static_cast<std::size_t>(e)];
      }
    lazy_->by_slot = std::make_unique<const SlotView>(std::move(view));
  }
  return *lazy_->by_slot;
}

bool SparsePattern::kept(std::int32_t slot, int m, int k) const {
  if (spec_.block.kind != BlockKind::dense) return m == k;
  if (spec_.mask_bits.empty() || spec_.mask[static_cast<std::size_t>(slot)] < 0) return true;
  const std::int64_t bit = std::int64_t{m} * spec_.block.width + k;
  const std::int64_t words = (std::int64_t{spec_.block.height} * spec_.block.width + 63) / 64;
  const auto word = static_cast<std::size_t>(spec_.mask[static_cast<std::size_t>(slot)] * words + bit / 64);
  return (spec_.mask_bits[word] >> (bit % 64) & 1) != 0;
}

std::int64_t SparsePattern::values_size() const { return spec_.slots * spec_.block.slot_size(); }

namespace {

/// Kept entries of a slot's block inside its first `height` rows and `width` columns.
std::int64_t kept_entries(const SparsePattern& s, std::int32_t slot, int height, int width) {
  if (s.block().kind != BlockKind::dense) return std::min(height, width);
  if (!s.masked() || s.spec().mask[static_cast<std::size_t>(slot)] < 0) return std::int64_t{height} * width;
  std::int64_t count = 0;
  for (int m = 0; m < height; ++m)
    for (int k = 0; k < width; ++k) count += s.kept(slot, m, k) ? 1 : 0;
  return count;
}

}  // namespace

std::int64_t SparsePattern::nnz() const {
  std::int64_t count = 0;
  for (std::int64_t r = 0; r < grid_rows_; ++r)
    for (std::int64_t e = spec_.row_ptr[static_cast<std::size_t>(r)]; e < spec_.row_ptr[static_cast<std::size_t>(r) + 1]; ++e)
      count += kept_entries(*this, slot(e), height_of(r), width_of(spec_.col[static_cast<std::size_t>(e)]));
  return count;
}

std::int64_t SparsePattern::parameter_count() const {
  if (spec_.block.kind != BlockKind::dense) return spec_.slots * spec_.block.slot_parameters();
  if (!tied()) return nnz();
  const bool ragged = spec_.rows % spec_.block.height != 0 || spec_.cols % spec_.block.width != 0;
  std::int64_t count = 0;
  for (std::int32_t s = 0; s < spec_.slots; ++s) {
    int height = ragged ? 0 : spec_.block.height, width = ragged ? 0 : spec_.block.width;  // of the largest place of the slot
    for (std::int64_t e = ragged ? by_slot().ptr[static_cast<std::size_t>(s)] : 0;
         ragged && e < by_slot().ptr[static_cast<std::size_t>(s) + 1]; ++e) {
      height = std::max(height, height_of(by_slot().row[static_cast<std::size_t>(e)]));
      width = std::max(width, width_of(by_slot().col[static_cast<std::size_t>(e)]));
    }
    count += kept_entries(*this, s, height, width);
  }
  return count;
}

double SparsePattern::density() const {
  const double full = static_cast<double>(spec_.rows) * static_cast<double>(spec_.cols);
  return full == 0 ? 0 : static_cast<double>(nnz()) / full;
}

bool SparsePattern::is_upper_triangular() const {
  for (std::int64_t r = 0; r < grid_rows_; ++r)
    for (std::int64_t e = spec_.row_ptr[static_cast<std::size_t>(r)]; e < spec_.row_ptr[static_cast<std::size_t>(r) + 1]; ++e)
      if (col_key(spec_.col[static_cast<std::size_t>(e)]) < row_key(r)) return false;
  return true;
}

bool SparsePattern::is_lower_triangular() const {
  for (std::int64_t r = 0; r < grid_rows_; ++r)
    for (std::int64_t e = spec_.row_ptr[static_cast<std::size_t>(r)]; e < spec_.row_ptr[static_cast<std::size_t>(r) + 1]; ++e)
      if (col_key(spec_.col[static_cast<std::size_t>(e)]) > row_key(r)) return false;
  return true;
}

bool SparsePattern::is_strictly_lower_triangular() const {
  for (std::int64_t r = 0; r < grid_rows_; ++r)
    for (std::int64_t e = spec_.row_ptr[static_cast<std::size_t>(r)]; e < spec_.row_ptr[static_cast<std::size_t>(r) + 1]; ++e)
      if (col_key(spec_.col[static_cast<std::size_t>(e)]) >= row_key(r)) return false;
  return true;
}

std::uint64_t SparsePattern::fingerprint() const {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  const auto mix = [&hash](std::uint64_t word) {
    hash ^= word;
    hash *= 0x9E3779B97F4A7C15ULL;
    hash ^= hash >> 29;
  };
  const auto mix_all = [&mix](const auto& values) {
    mix(values.size());
    for (const auto value : values) mix(static_cast<std::uint64_t>(value));
  };
  for (const std::int64_t size : {spec_.rows, spec_.cols, std::int64_t{spec_.block.height}, std::int64_t{spec_.block.width},
                                  static_cast<std::int64_t>(spec_.block.kind), std::int64_t{spec_.slots}})
    mix(static_cast<std::uint64_t>(size));
  mix_all(spec_.row_ptr), mix_all(spec_.col), mix_all(spec_.tie), mix_all(spec_.mask), mix_all(spec_.mask_bits);
  mix_all(spec_.row_key), mix_all(spec_.col_key);
  return hash;
}

std::int64_t SparsePattern::bytes() const {
  const std::lock_guard lock(lazy_->mutex);
  std::int64_t total = bytes_of(spec_.row_ptr) + bytes_of(spec_.col) + bytes_of(spec_.tie) + bytes_of(spec_.mask) +
                       bytes_of(spec_.mask_bits) + bytes_of(spec_.row_key) + bytes_of(spec_.col_key);
  if (lazy_->by_column) total += bytes_of(lazy_->by_column->ptr) + bytes_of(lazy_->by_column->row) + bytes_of(lazy_->by_column->slot);
  if (lazy_->by_slot) total += bytes_of(lazy_->by_slot->ptr) + bytes_of(lazy_->by_slot->row) + bytes_of(lazy_->by_slot->col);
  for (const auto& [key, plan] : lazy_->plans) total += plan.bytes(plan.value.get());
  return total;
}

const void* SparsePattern::plan_slot(const char* key, const std::function<std::shared_ptr<const void>()>& make,
                                     std::int64_t (*bytes_of_plan)(const void*)) const {
  const std::lock_guard lock(lazy_->mutex);
  auto found = lazy_->plans.find(key);
  if (found == lazy_->plans.end()) found = lazy_->plans.emplace(key, Lazy::Plan{make(), bytes_of_plan}).first;
  return found->second.value.get();
}

PatternPtr make_pattern(PatternSpec spec) { return std::make_shared<const SparsePattern>(std::move(spec)); }

}  // namespace weft
