#include <weft/kernels/kernel_table.hpp>

#include <cstdint>
#include <type_traits>
#include <vector>

#include <hwy/highway.h>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft::kernels {

using spmm_call = SpmmCall;
using spmm_t_call = SpmmTCall;
using sddmm_call = SddmmCall;

#define WEFT_KERNEL(entry, name, format, lanes, fuses, order) \
  void name##_f32(const entry##_call& call);                  \
  void name##_f64(const entry##_call& call);
#include <weft/kernels/kernel_table.inc>
#undef WEFT_KERNEL

template <class Call>
bool KernelRow<Call>::applies(const SparsePattern& s, int lane_count) const {
  const bool lanes_fit = lanes == LaneForm::any || (lanes == LaneForm::one) == (lane_count == 1);
  switch (format) {
    case Format::paneled: return lanes_fit && s.block().paneled();
    case Format::narrow:
      return lanes_fit && s.block().paneled() && s.tied() && s.block().width <= 4 &&
             std::int64_t{s.slots()} * s.block().width * s.block().height <= 16384;
    case Format::scalar: return lanes_fit && s.block().scalar();
    case Format::diagonal: return lanes_fit && s.block().kind != BlockKind::dense;
    case Format::any: return lanes_fit;
  }
  return false;
}
template struct KernelRow<SpmmCall>;
template struct KernelRow<SpmmTCall>;
template struct KernelRow<SddmmCall>;

namespace {

enum class Entry { spmm, spmm_t, sddmm };

/// The rows of one entry: the others of the table expand to nothing of this Call.
template <class Call>
struct Rows {
  std::vector<KernelRow<Call>> rows;
  template <class Other>
  void add(const KernelRow<Other>& row) {
    if constexpr (std::is_same_v<Call, Other>) rows.push_back(row);
  }
};

template <class Call>
const std::vector<KernelRow<Call>>& rows_of() {
  static const std::vector<KernelRow<Call>> rows = [] {
    Rows<Call> table;
#define WEFT_KERNEL(entry, name, format, lanes, fuses, order) \
  table.add(KernelRow<entry##_call>{#name, Format::format, LaneForm::lanes, Fuses::fuses, order, name##_f32, name##_f64});
#include <weft/kernels/kernel_table.inc>
#undef WEFT_KERNEL
    return table.rows;
  }();
  return rows;
}

struct Isa {
  std::int64_t bit;
  const char* name;
};

std::vector<Isa> supported_isas() {
  std::vector<Isa> isas;
  const std::int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  for (std::int64_t bit = 1; bit <= std::int64_t{1} << 61; bit <<= 1)
    if ((usable & bit) != 0) isas.push_back({bit, hwy::TargetName(bit)});
  return isas;
}

}  // namespace

std::span<const KernelRow<SpmmCall>> spmm_rows() { return rows_of<SpmmCall>(); }
std::span<const KernelRow<SpmmTCall>> spmm_t_rows() { return rows_of<SpmmTCall>(); }
std::span<const KernelRow<SddmmCall>> sddmm_rows() { return rows_of<SddmmCall>(); }

std::string list_kernels() {
  std::string text;
#define WEFT_KERNEL(entry, name, format, lanes, fuses, order) \
  text += cat(#entry " " #name ": " #format " blocks, lanes " #lanes ", fuses " #fuses "; ", order, "\n");
#include <weft/kernels/kernel_table.inc>
#undef WEFT_KERNEL
  return text;
}

std::vector<std::string> available_isas() {
  use_isa("");
  std::vector<std::string> names;
  for (const Isa& isa : supported_isas()) names.emplace_back(isa.name);
  return names;
}

std::string isa_name() {
  const std::vector<Isa> isas = supported_isas();
  return isas.empty() ? "none" : isas.front().name;
}

void use_isa(const std::string& name) {
  hwy::SetSupportedTargetsForTest(0);
  if (!name.empty()) {
    std::int64_t bit = 0;
    std::string known;
    for (const Isa& isa : supported_isas()) {
      if (isa.name == name) bit = isa.bit;
      known += std::string(known.empty() ? "" : ", ") + isa.name;
    }
    if (bit == 0) throw DeviceError({.op = "isa", .what = cat("'", name, "' is not available here"), .hint = "available: " + known});
    hwy::SetSupportedTargetsForTest(bit);
  }
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace weft::kernels
