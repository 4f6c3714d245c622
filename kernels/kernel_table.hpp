#pragma once

#include <span>
#include <string>

#include <weft/core/sparse_pattern.hpp>
#include <weft/core/tensor.hpp>
#include <weft/kernels/cells.hpp>
#include <weft/kernels/epilogue.hpp>

namespace weft::kernels {

/// The cell of a recurrence whose last hidden parts are the product.
struct CellCall {
  Cell which;
  const CellStep& step;
};

/// Arguments of one product, as every row of the table takes them.
struct SpmmCall {
  const SparsePattern& s;
  const Tensor& values;
  const Tensor& bias;
  const Tensor& x;
  const Epilogue& epilogue;  ///< empty unless the row fuses
  const Tensor& y;
  bool adds = false;               ///< to what y holds; bias and epilogue are empty then
  const CellCall* cell = nullptr;  ///< what follows on y; null unless the row fuses and no block holds units of two gates
};
struct SpmmTCall {
  const SparsePattern& s;
  const Tensor& values;
  const Tensor& dy;
  const Tensor& dx;
  bool adds = false;  ///< to what dx holds
};
struct SddmmCall {
  const SparsePattern& s;
  const Tensor& dy;
  const Tensor& x;
  const Tensor& dvalues;
  const Tensor& dbias;
  const Epilogue& epilogue;  ///< its window lies between the product and dy; empty unless the row fuses
};

/// Which patterns a row serves. Narrow: paneled, tied, at most 4 columns a block and 16,384 values.
enum class Format { paneled, narrow, scalar, diagonal, any };
/// Which lanes.
enum class LaneForm { tiles, one, any };
/// Whether the row takes what surrounds it into its pass: forward the epilogue or a recurrence's cell, the weight gradient the max window.
enum class Fuses { no, yes };

/// One row of kernel_table.inc.
template <class Call>
struct KernelRow {
  const char* name;
  Format format;
  LaneForm lanes;
  Fuses fuses;
  const char* order;  ///< the summation order; rows of equal order give equal bits
  void (*f32)(const Call&);
  void (*f64)(const Call&);

  bool applies(const SparsePattern& s, int lane_count) const;
  void run(Dtype dtype, const Call& call) const { (dtype == Dtype::f32 ? f32 : f64)(call); }
};

/// The table, in order of preference; the literal row is last and serves everything.
std::span<const KernelRow<SpmmCall>> spmm_rows();
std::span<const KernelRow<SpmmTCall>> spmm_t_rows();
std::span<const KernelRow<SddmmCall>> sddmm_rows();

/// One line a row: entry, name, formats, lanes, order.
std::string list_kernels();

/// The names of the instruction sets this build can run here, best first, e.g. {"AVX3", "AVX2", "SSSE3"}.
std::vector<std::string> available_isas();
/// The one in use.
std::string isa_name();
/// Restricts the kernels to one of available_isas() (tests, bench); empty: the best again. Throws DeviceError for another name.
void use_isa(const std::string& name);

}  // namespace weft::kernels
