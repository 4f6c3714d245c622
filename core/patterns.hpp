#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <weft/core/lattice.hpp>
#include <weft/core/sparse_pattern.hpp>

/// The catalogue: each architecture is one function that returns a pattern.
namespace weft::patterns {

/// Every block of a rows x cols matrix: a dense layer. Untied; a block is no larger than the matrix, edges are ragged.
PatternPtr dense(std::int64_t rows, std::int64_t cols, int block = 32);
/// The same in blocks that divide both sides, near 32 where they can be: for repeat_diagonal and tied_kron.
PatternPtr dense_whole(std::int64_t rows, std::int64_t cols);
/// `count` blocks of height x width along the diagonal: grouped linear maps, Monarch factors.
PatternPtr block_diagonal(std::int64_t count, int height, int width);
/// Blocks (r, c) with -below <= c - r <= above on a square matrix of n scalars.
PatternPtr banded(std::int64_t n, int below, int above, int block = 1);
/// The main and first lower block diagonal: one step of a linear recurrence.
PatternPtr lower_bidiagonal(std::int64_t n, int block = 1);
// ---- links of a recurrence: row t stores the steps whose states step t takes; the tie is the kind of a link ----

/// Whether links reach back before the first step: then columns 0 to carried - 1 stand for the last steps of an earlier sequence, and
/// column carried + t for step t.
enum class Carry { no, yes };
/// Strictly lower triangular by keys (row: t, column: column - carried). Levels of steps that need not wait for each other:
/// lower_bidiagonal's links are dilated(steps, 1).
/// Step t takes step t - by: ceil(steps / by) levels.
PatternPtr dilated(std::int64_t steps, int by, Carry carry = Carry::no);
/// Step t takes step t - 1 (kind 0) and step t - by (kind 1). Throws ShapeError for by < 2.
PatternPtr skip(std::int64_t steps, int by, Carry carry = Carry::no);
/// Node parents[i] takes node i: a tree (or several) from its leaves to its roots, whose parent is -1. Throws ShapeError unless every
/// parent comes after its children.
PatternPtr tree_from_parents(const std::vector<std::int32_t>& parents);
/// Links of the first `steps` steps (and what is carried): what a shorter sequence takes of a rule for the longest. Kinds keep their
/// numbers. Throws ShapeError for more steps than links has, and if one of the first takes a later one.
PatternPtr leading(const PatternPtr& links, std::int64_t steps);

/// Row i of the result is row source[i] of X. Identity blocks of `block` rows; one constant slot.
PatternPtr permutation(const std::vector<std::int32_t>& source, int block = 1);

/// Convolution over an HxW lattice as a block-sparse matrix: one block row per output pixel (and group), one tied
/// (C_out/groups)x(C_in/groups) block per tap. Slot = tap*groups + group, taps row-major. Depthwise convolutions
/// (groups == C_in == C_out) use diagonal blocks, one slot per tap.
/// Upper triangular by its lattice keys (row: the output's top-left tap on the padded lattice; column: the pixel).
/// Shapes: S is [out.size(), in.size()]. Cost: about 24 bytes of indices per stored block, all views included.
/// Throws ShapeError as conv2d_out.
PatternPtr conv2d(Lattice in, int c_out, Conv2dOptions options = {});
/// Convolution over a series of `length` steps, rows [step, channel]: one block row per output step (and group), one tied block per tap,
/// slot = tap*groups + group. Upper triangular by its keys (row: the first tap on the padded line; column: the step); the causal one is
/// lower triangular (row: the last tap, which is the newest step that it sees).
/// Shapes: S is [steps_out*c_out, length*c_in]. Throws ShapeError as conv1d_out.
PatternPtr conv1d(int length, int c_in, int c_out, Conv1dOptions options = {});
/// The transpose of the convolution that maps the output lattice to `in`: blocks (C_out/groups)x(C_in/groups), lower triangular by keys.
PatternPtr conv_transpose2d(Lattice in, int c_out, Conv2dOptions options = {}, int output_pad = 0);

/// Average pooling: identity blocks of C channels, one constant slot (1/kernel² gives the mean, padding counted).
PatternPtr avg_pool2d(Lattice in, Pool2dOptions options = {});

/// Each row from a rule: column indices of the scalars in row i, compiled into block x block blocks with masks where partly filled.
PatternPtr from_rows(std::int64_t rows, std::int64_t cols, const std::function<std::vector<std::int32_t>(std::int64_t)>& row,
                     int block = 64);
/// Columns [begin, end); none if end <= begin.
struct Interval {
  std::int64_t begin, end;
};
/// Each row from a rule: the interval of columns stored in row i. Blocks that an interval of every row covers get no mask, so memory and
/// time grow with the stored blocks, and with block² where they are cut. Throws ShapeError for an interval outside [0, cols).
PatternPtr from_intervals(std::int64_t rows, std::int64_t cols, const std::function<Interval(std::int64_t)>& row, int block = 64);
/// The same from a row-major 0/1 mask of rows*cols.
PatternPtr from_mask(std::int64_t rows, std::int64_t cols, const std::vector<std::uint8_t>& mask, int block = 64);

/// Cuts every block into block x block sub-blocks and keeps a random share `density` of the sub-blocks of each slot (the
/// same everywhere a slot is tied; at least one for each row of outputs so that none dies). The share counts all sub-blocks
/// together. Applied to a dense pattern: random blocks. A side that `block` covers is not cut.
/// Throws ShapeError unless 0 < density <= 1, blocks are dense without masks, and block divides both sides or covers them.
PatternPtr random_blocks(const PatternPtr& pattern, int block, double density, std::uint64_t seed);
/// Random blocks of a rows x cols matrix.
PatternPtr random_blocks(std::int64_t rows, std::int64_t cols, int block, double density, std::uint64_t seed);

/// Sᵀ. Slots keep their numbers; each slot's block is transposed.
PatternPtr transpose(const PatternPtr& pattern);
/// Every block stored in a or b; untied. Throws ShapeError unless sizes and blocks agree.
PatternPtr union_of(const PatternPtr& a, const PatternPtr& b);
/// Block rows [begin, end) as a matrix of its own. Untied, its slots are those rows' alone, renumbered; tied, all of them.
/// Throws ShapeError for rows outside the pattern.
PatternPtr row_range(const PatternPtr& pattern, std::int64_t begin, std::int64_t end);
/// The first rows and columns of S, which must end between blocks; slots as row_range's. Throws ShapeError for more than S has, and if one
/// of these rows stores a block beyond these columns.
PatternPtr leading(const PatternPtr& pattern, std::int64_t rows, std::int64_t cols);
/// The Kronecker product with an n x n identity: I ⊗ S, tied copies of S along the diagonal (a layer applied to each of n positions).
/// Throws ShapeError if n < 1, or n > 1 and the block size does not divide both sides of S.
PatternPtr repeat_diagonal(const PatternPtr& pattern, std::int64_t n);
/// Blocks of A ⊗ B for two patterns of scalar or dense blocks: entry (i,j) of A times the whole of B. Untied.
/// Throws ShapeError if A has more than one row or column and B's block size does not divide B.
PatternPtr kron(const PatternPtr& a, const PatternPtr& b);
/// A ⊗ B for an A of scalars, tied: entries of A that share a slot share one copy of B's values, so the slots are A's times B's.
/// A recurrence as one matrix is tied_kron(links, W_hh). Throws ShapeError as kron, and for masks or diagonal blocks.
PatternPtr tied_kron(const PatternPtr& a, const PatternPtr& b);
/// The symbolic product: block (i, k) is stored if some a(i, j) and b(j, k) are; masks multiply alike. Untied.
/// Throws ShapeError unless a's columns are b's rows, in blocks of one size.
PatternPtr compose(const PatternPtr& a, const PatternPtr& b);
/// Block rows and columns reordered: result(i, j) = S(row_source[i], col_source[j]). An empty list leaves its side alone.
/// Slots keep their numbers, keys travel with their rows and columns. Throws ShapeError unless a list is a permutation that keeps a
/// ragged edge last.
PatternPtr permute(const PatternPtr& pattern, const std::vector<std::int32_t>& row_source, const std::vector<std::int32_t>& col_source);
/// The same structure with every block owning its slot: what `--form untied` trains.
PatternPtr untied(const PatternPtr& pattern);

}  // namespace weft::patterns
