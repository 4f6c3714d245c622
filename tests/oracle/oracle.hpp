#pragma once

#include <cstdint>
#include <vector>

#include <weft/core/patterns.hpp>
#include <weft/core/sparse_pattern.hpp>

/// What every product must give, in double, by naive loops. Links no kernel. Matrices and batches are row-major `[rows, n]`;
/// pattern values are in the pattern's value layout.
namespace weft::oracle {

using Values = std::vector<double>;

/// n draws from [-1, 1).
Values random_values(std::int64_t n, std::uint64_t seed);
/// Random values for a pattern: zero where the layout pads, where a mask clears and where no place of the slot lies in the matrix.
Values random_values(const SparsePattern& pattern, std::uint64_t seed);
/// True for each stored value that is a parameter: neither padding, nor masked, nor outside the matrix at all of its places.
std::vector<bool> parameters_of(const SparsePattern& pattern);
/// 1 where the matrix has a parameter, 0 elsewhere: row-major rows x cols.
Values support(const SparsePattern& pattern);
/// |v|, for bounds of rounding errors: c * eps * (|S| |X|).
Values absolute(Values v);
double dot(const Values& a, const Values& b);
/// The largest |a - b|. Fails a WEFT_CHECK if the sizes differ.
double max_difference(const Values& a, const Values& b);

/// a [m, k] times b [k, n].
Values multiply(const Values& a, const Values& b, std::int64_t m, std::int64_t k, std::int64_t n);
Values transposed(const Values& a, std::int64_t m, std::int64_t n);
/// a [ma, na] (x) b [mb, nb].
Values kronecker(const Values& a, std::int64_t ma, std::int64_t na, const Values& b, std::int64_t mb, std::int64_t nb);

/// S(values) x: [rows, n] of x [cols, n].
Values spmm(const SparsePattern& s, const Values& values, const Values& x, std::int64_t n);
/// S(values)ᵀ dy: [cols, n] of dy [rows, n].
Values spmm_t(const SparsePattern& s, const Values& values, const Values& dy, std::int64_t n);
/// The gradient of <dy, S(values) x> by values, in the value layout, summed over tied blocks, zero where parameters_of says no.
Values sddmm(const SparsePattern& s, const Values& dy, const Values& x, std::int64_t n);
/// The values of transpose(s), of the same matrix.
Values transpose_values(const SparsePattern& s, const Values& values);
/// The values of untied(s), of the same matrix.
Values untie_values(const SparsePattern& s, const Values& values);

/// Direct convolution of x [in.size(), n], channel fastest, with weight [c_out, in.c/groups, kernel, kernel].
Values conv2d(Lattice in, int c_out, const patterns::Conv2dOptions& options, const Values& weight, const Values& x, std::int64_t n);
/// Direct transposed convolution with weight [in.c, c_out/groups, kernel, kernel]: every input pixel adds its window to the output.
Values conv_transpose2d(Lattice in, int c_out, const patterns::Conv2dOptions& options, int output_pad, const Values& weight,
                        const Values& x, std::int64_t n);
/// The mean over each window, padding counted as zeros.
Values avg_pool2d(Lattice in, const patterns::Pool2dOptions& options, const Values& x, std::int64_t n);

/// Which weight array a convolution's pattern reads.
enum class ConvField {
  forward,    ///< [c_out, c_in/groups, kernel, kernel]
  transposed  ///< [c_in, c_out/groups, kernel, kernel]
};
/// For each element of the weight field, its place in the value layout of the pattern that conv2d or conv_transpose2d made.
std::vector<std::int64_t> conv_places(const SparsePattern& s, const patterns::Conv2dOptions& options, ConvField field);
/// Weight field to value layout, and back.
Values conv_values(const SparsePattern& s, const patterns::Conv2dOptions& options, ConvField field, const Values& weight);
Values conv_weight(const SparsePattern& s, const patterns::Conv2dOptions& options, ConvField field, const Values& values);

}  // namespace weft::oracle
