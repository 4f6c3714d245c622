#include <weft/layers/pool.hpp>

#include <utility>

#include <weft/autograd/ops.hpp>
#include <weft/autograd/ops/native.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

/// The one value of an identity pattern.
Tensor constant_of(const Scope& s, double value) {
  Tensor t = Tensor::plain(s.store().dtype(), {1});
  t.fill(value);
  return t;
}

std::vector<double> dense_of(const SparsePattern& pattern, const Tensor& value) {
  const Tensor doubles = value.dtype() == Dtype::f64 ? value : cast(value, Dtype::f64);
  return to_dense(pattern, {doubles.data<double>(), 1});
}

void require_rows(const char* op, const std::string& path, Lattice in, Var x) {
  if (x.rows().size() == in.size()) return;
  throw ShapeError({.op = op,
                    .path = path,
                    .what = cat("the layer reads ", in.shape().str(), " (", in.size(), " rows), X has rows ", x.rows().str()),
                    .hint = cat("it was built with in = {", in.h, ", ", in.w, ", ", in.c, "}; pass the out() of the layer before it")});
}

/// All positions of each channel: one block row.
PatternPtr all_positions(Lattice in) {
  PatternSpec spec{.rows = in.c, .cols = in.size(), .block = {BlockKind::identity, in.c, in.c}, .row_ptr = {0, in.positions()}};
  for (std::int64_t p = 0; p < in.positions(); ++p) spec.col.push_back(static_cast<std::int32_t>(p));
  spec.tie.assign(spec.col.size(), 0);
  spec.slots = 1;
  spec.name = cat("global_pool ", in.shape().str(), " -> ", in.c);
  return make_pattern(std::move(spec));
}

}  // namespace

AvgPool2d::AvgPool2d(const Scope& s, Lattice in, patterns::Pool2dOptions options)
    : path_(s.path()),
      form_(s.form()),
      in_(in),
      out_(patterns::pool2d_out(in, options)),
      options_(options),
      pattern_(patterns::avg_pool2d(in, options)),
      share_(constant_of(s, 1.0 / (options.kernel * options.kernel))) {}

Var AvgPool2d::operator()(Var x) const {
  const LayerCall call(x.tape(), path_);
  require_rows("avg_pool2d", path_, in_, x);
  const Var y =
      form_ == Form::native ? native_avg_pool2d(x, in_, options_) : spmm(pattern_, x.tape().input(share_), Var(), x, out_.shape());
  return call.done(y, [&] { return LayerInfo{path_, "avg_pool2d", pattern_, {}, 1}; });
}

std::vector<double> AvgPool2d::to_dense() const { return dense_of(*pattern_, share_); }

MaxPool2d::MaxPool2d(const Scope& s, Lattice in, patterns::Pool2dOptions options)
    : path_(s.path()), in_(in), out_(patterns::pool2d_out(in, options)), options_(options) {}

Var MaxPool2d::operator()(Var x) const {
  const LayerCall call(x.tape(), path_);
  require_rows("max_pool2d", path_, in_, x);
  const Var y = max_pool2d(x, in_, options_.kernel, options_.stride == 0 ? options_.kernel : options_.stride, options_.pad);
  return call.done(y, [&] { return LayerInfo{path_, "max_pool2d", nullptr, {}, 1}; });
}

GlobalPool::GlobalPool(const Scope& s, Lattice in)
    : path_(s.path()), form_(s.form()), in_(in), share_(constant_of(s, in.size() > 0 ? 1.0 / static_cast<double>(in.positions()) : 0)) {
  if (in.h < 1 || in.w < 1 || in.c < 1)
    throw ShapeError({.op = "global_pool", .path = path_, .what = cat("lattice ", in.shape().str(), " has an empty side")});
  pattern_ = all_positions(in);
}

Var GlobalPool::operator()(Var x) const {
  const LayerCall call(x.tape(), path_);
  require_rows("global_pool", path_, in_, x);
  const Var y = form_ == Form::native && in_.h == in_.w ? reshape(native_avg_pool2d(x, in_, {.kernel = in_.h}), {in_.c})
                                                        : spmm(pattern_, x.tape().input(share_), Var(), x, {in_.c});
  return call.done(y, [&] { return LayerInfo{path_, "global_pool", pattern_, {}, 1}; });
}

std::vector<double> GlobalPool::to_dense() const { return dense_of(*pattern_, share_); }

Var GlobalPool1d::operator()(Var x) const {
  const LayerCall call(x.tape(), path_);
  const Var y = pooling_ == Pooling::mean ? mean_steps(x, TimeAxis::first) : max_steps(x, TimeAxis::first);
  return call.done(y, [&] { return LayerInfo{path_, "global_pool1d", nullptr, {}, 1}; });
}

}  // namespace weft
