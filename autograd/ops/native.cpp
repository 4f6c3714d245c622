// The conventional formulation: a convolution gathers the pixels under its window into a column matrix (im2col) and multiplies it by the
// weight; a transposed one multiplies first and scatters the columns (col2im). One column is a place of the window and a tile of the batch.

#include <weft/autograd/ops/native.hpp>

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include <weft/autograd/ops/operands.hpp>
#include <weft/core/error.hpp>
#include <weft/core/parallel.hpp>
#include <weft/core/text.hpp>
#include <weft/kernels/avg_pool.hpp>
#include <weft/kernels/gemm.hpp>
#include <weft/kernels/im2col.hpp>
#include <weft/kernels/table.hpp>

namespace weft {

namespace {

using kernels::Sum;
using kernels::Tiles;
using kernels::WindowGrid;

/// Tiles of a matrix operand from tile `first` on.
struct Block {
  const Tensor& tensor;
  std::int64_t first = 0;
};

/// C = A·B for `groups` weights A (m x k) that lie one after another: in each tile of B and C so do the rows of the groups.
struct GroupedProduct {
  int m, k, groups = 1, lanes = 16;

  kernels::GemmSize size(std::int64_t tiles) const { return {m, k, tiles, lanes}; }
  std::int64_t weight_size() const { return groups * size(0).a().slot_size(); }

  void forward(const Tensor& weight, const Tensor& bias, Block b, Block c, std::int64_t tiles) const {
    each_group(weight.dtype(), [&](auto zero, int g) {
      using T = decltype(zero);
      const T* group_bias = bias.defined() ? bias.data<T>() + std::int64_t{g} * m : nullptr;
      kernels::gemm(size(tiles), group_weight<T>(weight, g), group_bias, group_rows<const T>(b, k, g), group_rows<T>(c, m, g));
    });
  }
  void transposed(const Tensor& weight, Block c, Block b, std::int64_t tiles) const {
    each_group(weight.dtype(), [&](auto zero, int g) {
      using T = decltype(zero);
      kernels::gemm_t(size(tiles), group_weight<T>(weight, g), group_rows<const T>(c, m, g), group_rows<T>(b, k, g));
    });
  }
  void weight_gradient(Block c, Block b, std::int64_t tiles, Sum sum, const Tensor& dweight) const {
    each_group(dweight.dtype(), [&](auto zero, int g) {
      using T = decltype(zero);
      kernels::gemm_dw(size(tiles), group_rows<const T>(c, m, g), group_rows<const T>(b, k, g), sum, group_weight<T>(dweight, g));
    });
  }

 private:
  template <class F>
  void each_group(Dtype dtype, F&& f) const {
    by_float(dtype, [&](auto zero) {
      for (int g = 0; g < groups; ++g) f(zero, g);
    });
  }
  template <class T>
  T* group_weight(const Tensor& weight, int g) const {
    return weight.data<T>() + g * size(0).a().slot_size();
  }
  template <class T>
  Tiles<T> group_rows(Block block, int rows, int g) const {
    const std::int64_t stride = std::int64_t{rows} * groups * lanes;
    return {block.tensor.data<std::remove_const_t<T>>() + block.first * stride + std::int64_t{g} * rows * lanes, stride};
  }
};

/// A convolution either way: the product between the column matrix of a window grid and pixels, one tile of them for each place. The
/// columns exist for a few lines of places at a time.
struct Lowered {
  WindowGrid grid;
  GroupedProduct product;
  std::int64_t batch_tiles;
  Dtype dtype;

  static constexpr std::int64_t kColumnBytes = std::int64_t{2} << 20;  // what two cores keep in their L2

  std::int64_t lines() const { return batch_tiles * grid.h; }
  std::int64_t line_elements() const { return grid.w * grid.column_rows() * product.lanes; }
  std::int64_t lines_at_a_time() const {
    const std::int64_t fit = kColumnBytes / (line_elements() * static_cast<std::int64_t>(size_of(dtype)));
    return std::max<std::int64_t>(1, std::min(lines(), fit));
  }
  Tensor columns(const Pool& pool) const { return Tensor::plain(dtype, {lines_at_a_time() * line_elements()}, pool); }

  /// Calls f(begin, end) for ranges of lines that cover all.
  template <class F>
  void for_lines(F&& f) const {
    const std::int64_t step = lines_at_a_time();
    for (std::int64_t begin = 0; begin < lines(); begin += step) f(begin, std::min(lines(), begin + step));
  }
};

Tensor contiguous(const Tensor& t, const Pool& pool) { return t.is_contiguous() ? t : t.clone(pool); }
Tensor value_or_none(Var x) { return x.id() < 0 ? Tensor() : x.value(); }

void require_image(const char* op, Var x, Lattice in) {
  require_float(op, x);
  if (x.columns() && x.rows().size() == in.size()) return;
  throw ShapeError({.op = op,
                    .path = x.tape().path(),
                    .what = cat("built for ", in.shape().str(), " (", in.size(), " rows), X is ", shape_text(x)),
                    .hint = "give the layer an input of the size it was built with"});
}

/// Rows of one group in the column matrix. Throws ShapeError beyond 32 bits.
int column_rows(const char* op, Var x, const patterns::Window& window, int channels) {
  const std::int64_t rows = checked_product(window.taps(), channels);
  if (rows > INT32_MAX)
    throw ShapeError({.op = op,
                      .path = x.tape().path(),
                      .what = cat(window.taps(), " taps of ", channels, " channels make ", rows, " rows of columns"),
                      .hint = "use a smaller kernel, fewer channels or more groups"});
  return static_cast<int>(rows);
}

/// Throws unless weight and bias have x's dtype and fit the product.
void require_parameters(const char* op, Var weight, const GroupedProduct& product, Var bias, std::int64_t bias_size, Var x) {
  require_same_dtype(op, x, weight);
  require_plain(op, "weight", weight, product.weight_size());
  if (bias.id() < 0) return;
  require_same_dtype(op, x, bias);
  require_plain(op, "bias", bias, bias_size);
}

/// The bias gradient: Σ over columns and positions of each of `channels` rows.
void add_bias_gradient(const Tensor& dy, int channels, GradSink& grads) {
  if (!grads.wants(1)) return;
  const Tensor sums = grads.buffer(1);
  const int lanes = dy.columns()->lanes;
  const std::int64_t tiles = dy.columns()->tiles() * (dy.row_count() / channels);
  by_float(dy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::row_sums(channels, tiles, lanes, Tiles<const T>{dy.data<T>(), std::int64_t{channels} * lanes}, sums.data<T>());
  });
  grads.add(1, sums);
}

/// Every position of y starts from the bias of its channels, or from zero.
void start_from_bias(const Tensor& bias, const Tensor& y) {
  if (!bias.defined()) return y.fill(0);
  const std::int64_t lanes = y.columns()->lanes, channels = bias.row_count();
  by_float(y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    parallel_for(y.columns()->tiles() * (y.row_count() / channels), [&](std::int64_t position) {
      T* to = y.data<T>() + position * channels * lanes;
      for (std::int64_t c = 0; c < channels; ++c) std::fill_n(to + c * lanes, lanes, bias.data<T>()[c]);
    });
  });
}

/// The part of both backwards that is alike: storage for the gradients of weight (0) and x (2), their sums begun.
struct LoweredGradients {
  Tensor dweight, dx;
  LoweredGradients(const Lowered& l, GradSink& grads) {
    if (grads.wants(0)) dweight = grads.buffer(0);
    if (grads.wants(2)) dx = grads.buffer(2);
    if (dweight.defined() && l.lines() == 0) dweight.fill(0);
  }
  void add_to(GradSink& grads) const {
    if (dweight.defined()) grads.add(0, dweight);
    if (dx.defined()) grads.add(2, dx);
  }
};

void conv_gradients(const Lowered& l, const Tensor& weight, const Tensor& x, const Tensor& dy, const Pool& pool, GradSink& grads) {
  const LoweredGradients to(l, grads);
  const Tensor columns = l.columns(pool);
  if (to.dx.defined()) to.dx.fill(0);
  l.for_lines([&](std::int64_t begin, std::int64_t end) {
    const std::int64_t tiles = (end - begin) * l.grid.w;
    const Block dy_here{dy, begin * l.grid.w};
    if (to.dweight.defined()) {
      kernels::im2col(l.grid, x, begin, end, columns);
      l.product.weight_gradient(dy_here, {columns}, tiles, begin == 0 ? Sum::overwrite : Sum::add, to.dweight);
    }
    if (to.dx.defined()) {
      l.product.transposed(weight, dy_here, {columns}, tiles);
      kernels::col2im(l.grid, columns, begin, end, to.dx);
    }
  });
  to.add_to(grads);
}

Var lowered_conv(const char* op, Var weight, Var bias, Var x, const WindowGrid& grid, int c_out, const Shape& rows) {
  require_image(op, x, grid.image);
  const int groups = grid.groups;
  const Lowered l{.grid = grid,
                  .product = {c_out / groups, column_rows(op, x, grid.window, grid.image.c / groups), groups, x.columns()->lanes},
                  .batch_tiles = x.columns()->tiles(),
                  .dtype = x.dtype()};
  require_parameters(op, weight, l.product, bias, c_out, x);
  Tape& tape = x.tape();
  const Tensor w = weight.value(), b = value_or_none(bias), image = x.value(), y = tape.like(x, rows), columns = l.columns(tape.pool());
  l.for_lines([&](std::int64_t begin, std::int64_t end) {
    kernels::im2col(l.grid, image, begin, end, columns);
    l.product.forward(w, b, {columns}, {y, begin * grid.w}, (end - begin) * grid.w);
  });
  return tape.record(op, y, {weight, bias, x}, [=, pool = tape.pool()](const Tensor& arriving, GradSink& grads) {
    const Tensor dy = contiguous(arriving, pool);
    conv_gradients(l, w, image, dy, pool, grads);
    add_bias_gradient(dy, c_out, grads);
  });
}

void conv_transpose2d_gradients(const Lowered& l, const Tensor& weight, const Tensor& x, const Tensor& dy, const Pool& pool,
                                GradSink& grads) {
  const LoweredGradients to(l, grads);
  const Tensor columns = l.columns(pool);
  l.for_lines([&](std::int64_t begin, std::int64_t end) {
    const std::int64_t tiles = (end - begin) * l.grid.w;
    kernels::im2col(l.grid, dy, begin, end, columns);
    if (to.dweight.defined())
      l.product.weight_gradient({columns}, {x, begin * l.grid.w}, tiles, begin == 0 ? Sum::overwrite : Sum::add, to.dweight);
    if (to.dx.defined()) l.product.transposed(weight, {columns}, {to.dx, begin * l.grid.w}, tiles);
  });
  to.add_to(grads);
}

}  // namespace

Var native_linear(Var weight, Var bias, Var x, std::int64_t out) {
  const char* op = "native_linear";
  require_float(op, x);
  const std::int64_t in = last_axis(op, x);
  if (!x.columns() || in > INT32_MAX || out < 1 || out > INT32_MAX)
    throw ShapeError({.op = op, .path = x.tape().path(), .what = cat("X is ", shape_text(x), ", ", out, " outputs asked for")});
  const GroupedProduct product{.m = static_cast<int>(out), .k = static_cast<int>(in), .lanes = x.columns()->lanes};
  require_parameters(op, weight, product, bias, out, x);
  Tape& tape = x.tape();
  const Tensor w = weight.value(), from = contiguous(x.value(), tape.pool()), y = tape.like(x, x.rows().with_back(out));
  const std::int64_t tiles = x.columns()->tiles() * (x.rows().size() / in);
  product.forward(w, value_or_none(bias), {from}, {y}, tiles);
  return tape.record(op, y, {weight, bias, x}, [=, pool = tape.pool()](const Tensor& arriving, GradSink& grads) {
    const Tensor dy = contiguous(arriving, pool);
    if (grads.wants(0)) {
      const Tensor dweight = grads.buffer(0);
      product.weight_gradient({dy}, {from}, tiles, Sum::overwrite, dweight);
      grads.add(0, dweight);
    }
    add_bias_gradient(dy, product.m, grads);
    if (grads.wants(2)) {
      const Tensor dx = grads.buffer(2);
      product.transposed(w, {dy}, {dx}, tiles);
      grads.add(2, dx);
    }
  });
}

Var native_conv2d(Var weight, Var bias, Var x, Lattice in, int c_out, patterns::Conv2dOptions options) {
  const Lattice out = patterns::conv2d_out(in, c_out, options);
  return lowered_conv("native_conv2d", weight, bias, x, {in, out.h, out.w, options.window(), options.groups}, c_out, out.shape());
}

Var native_conv1d(Var weight, Var bias, Var x, int length, int c_in, int c_out, patterns::Conv1dOptions options) {
  const Lattice in{length, 1, c_in}, out = patterns::conv1d_out(length, c_in, c_out, options);
  return lowered_conv("native_conv1d", weight, bias, x, {in, out.h, 1, options.window(), options.groups}, c_out, {out.h, c_out});
}

Var native_conv_transpose2d(Var weight, Var bias, Var x, Lattice in, int c_out, patterns::Conv2dOptions options, int output_pad) {
  const char* op = "native_conv_transpose2d";
  const Lattice out = patterns::conv_transpose2d_out(in, c_out, options, output_pad);
  require_image(op, x, in);
  const patterns::Window window = options.window();
  const Lowered l{
      .grid = {out, in.h, in.w, window, options.groups},
      .product = {column_rows(op, x, window, c_out / options.groups), in.c / options.groups, options.groups, x.columns()->lanes},
      .batch_tiles = x.columns()->tiles(),
      .dtype = x.dtype()};
  require_parameters(op, weight, l.product, bias, c_out, x);
  Tape& tape = x.tape();
  const Tensor w = weight.value(), pixels = contiguous(x.value(), tape.pool()), y = tape.like(x, out.shape()),
               columns = l.columns(tape.pool());
  start_from_bias(value_or_none(bias), y);
  l.for_lines([&](std::int64_t begin, std::int64_t end) {
    l.product.forward(w, Tensor(), {pixels, begin * in.w}, {columns}, (end - begin) * in.w);
    kernels::col2im(l.grid, columns, begin, end, y);
  });
  return tape.record(op, y, {weight, bias, x}, [=, pool = tape.pool()](const Tensor& arriving, GradSink& grads) {
    const Tensor dy = contiguous(arriving, pool);
    conv_transpose2d_gradients(l, w, pixels, dy, pool, grads);
    add_bias_gradient(dy, out.c, grads);
  });
}

Var native_embedding(Var table, const Tensor& ids, std::int64_t vocabulary, std::int64_t dim) {
  const char* op = "native_embedding";
  Tape& tape = table.tape();
  const ValueLayout layout{BlockKind::dense, static_cast<int>(vocabulary), static_cast<int>(dim)};
  require_float(op, table);
  require_plain(op, "the table", table, layout.slot_size());
  require_ids(op, tape, ids, vocabulary);
  const Tensor y = Tensor::tiled(table.dtype(), ids.rows().with_back(dim), ids.columns(), tape.pool());
  kernels::read_rows(layout, table.value(), ids, y);
  return tape.record(op, y, {table}, [layout, ids](const Tensor& dy, GradSink& grads) {
    kernels::scatter_add_rows(layout, ids, dy, grads.running_sum(0));
  });
}

Var native_avg_pool2d(Var x, Lattice in, patterns::Pool2dOptions options) {
  const char* op = "native_avg_pool2d";
  const Lattice out = patterns::pool2d_out(in, options);
  require_image(op, x, in);
  const patterns::Window window = options.window();
  const kernels::PoolGeometry geometry{in, out, window.kernel, window.stride, window.pad};
  const Tensor y = x.tape().like(x, out.shape());
  kernels::avg_pool(geometry, x.value(), y);
  return x.tape().record(op, y, {x}, [geometry](const Tensor& dy, GradSink& grads) {
    const Tensor dx = grads.buffer(0);
    kernels::avg_pool_grad(geometry, dy, dx);
    grads.add(0, dx);
  });
}

}  // namespace weft
