#include <weft/layers/conv.hpp>

#include <utility>

#include <weft/autograd/ops.hpp>
#include <weft/autograd/ops/native.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

enum class Direction { forward, transposed };

/// Weight, maps and fans of a convolution either way; `pattern` has all its blocks.
template <class Options>
PatternWeight::Spec conv_spec(const Scope& s, Direction direction, PatternPtr pattern, ConvWeight shape, const Options& options) {
  const bool forward = direction == Direction::forward;
  PatternWeight::Spec spec{.init = options.init, .bias = options.bias ? shape.out : 0};
  if (options.density == 1) {
    spec.field = forward ? conv_map(pattern, shape) : conv_transpose_map(pattern, shape);
    spec.native = forward ? native_conv_map(shape) : native_conv_transpose_map(shape);
  } else {
    pattern = patterns::random_blocks(pattern, options.block, options.density, s.structure_seed());
    spec.field = values_map(pattern);
    spec.keeps_pattern = true;
  }
  const auto weights = static_cast<double>(pattern->parameter_count());  // a forward convolution reads them once an output channel
  spec.fans = {weights / (forward ? shape.out : shape.in), weights / (forward ? shape.in : shape.out)};
  spec.pattern = std::move(pattern);
  return spec;
}

void require_rows(const char* op, const PatternWeight& weight, Lattice in, Var x) {
  if (x.rows().size() == in.size()) return;
  throw ShapeError(
      {.op = op,
       .path = weight.path(),
       .what = cat("S is ", weight.pattern()->rows(), " x ", weight.pattern()->cols(), " (", weight.pattern()->name(), "), X has rows ",
                   x.rows().str()),
       .hint = cat("it was built with in = {", in.h, ", ", in.w, ", ", in.c, "}; build it for the output of the layer before it")});
}

}  // namespace

Conv2d::Conv2d(const Scope& s, Lattice in, int c_out, ConvOptions options)
    : in_(in),
      out_(patterns::conv2d_out(in, c_out, options.pattern())),
      options_(options.pattern()),
      weight_(
          s, "conv2d",
          conv_spec(s, Direction::forward, patterns::conv2d(in, c_out, options_), {in.c, c_out, options.kernel, options.groups}, options)) {
}

Var Conv2d::operator()(Var x) const {
  const LayerCall call(x.tape(), weight_.path());
  require_rows("conv2d", weight_, in_, x);
  const Var weight = weight_.weight_on(x.tape()), bias = weight_.bias_on(x.tape());
  const Var y = weight_.form() == Form::native ? native_conv2d(weight, bias, x, in_, out_.c, options_)
                                               : spmm(pattern(), weight, bias, x, out_.shape());
  return call.done(y, [&] { return weight_.info(1); });
}

Conv1d::Conv1d(const Scope& s, int length, int c_in, int c_out, SeriesConvOptions options)
    : in_{length, 1, c_in},
      out_(patterns::conv1d_out(length, c_in, c_out, options.pattern())),
      options_(options.pattern()),
      weight_(s, "conv1d",
              conv_spec(s, Direction::forward, patterns::conv1d(length, c_in, c_out, options_),
                        {c_in, c_out, options.kernel, options.groups, 1}, options)),
      by_steps_([whole = weight_.pattern(), in = in_, out = out_, o = options_](std::int64_t steps) {
        const Lattice part = patterns::conv1d_out(static_cast<int>(steps), in.c, out.c, o);
        return patterns::leading(whole, part.size(), steps * in.c);
      }) {}

/// Of x: all, or the first ones where later steps change nothing.
int Conv1d::steps_of(Var x) const {
  const Shape& rows = x.rows();
  if (options_.causal && rows.rank() == 2 && rows[0] >= 1 && rows[0] < in_.h && rows[1] == in_.c) return static_cast<int>(rows[0]);
  require_rows("conv1d", weight_, in_, x);
  return in_.h;
}

Var Conv1d::operator()(Var x) const {
  const LayerCall call(x.tape(), weight_.path());
  const int steps = steps_of(x);
  const Var weight = weight_.weight_on(x.tape()), bias = weight_.bias_on(x.tape());
  if (weight_.form() == Form::native)
    return call.done(native_conv1d(weight, bias, x, steps, in_.c, out_.c, options_), [&] { return weight_.info(1); });
  const PatternPtr part = by_steps_.of(steps);
  const bool all = part->values_size() == pattern()->values_size();
  const Var y = spmm(part, all ? weight : slice(flatten(weight), 0, part->values_size()), bias, x, {part->rows() / out_.c, out_.c});
  return call.done(y, [&] { return weight_.info(1); });
}

ConvTranspose2d::ConvTranspose2d(const Scope& s, Lattice in, int c_out, ConvTransposeOptions options)
    : in_(in),
      out_(patterns::conv_transpose2d_out(in, c_out, options.pattern(), options.output_pad)),
      options_(options.pattern()),
      output_pad_(options.output_pad),
      weight_(s, "conv_transpose2d",
              conv_spec(s, Direction::transposed, patterns::conv_transpose2d(in, c_out, options_, output_pad_),
                        {in.c, c_out, options.kernel, options.groups}, options)) {}

Var ConvTranspose2d::operator()(Var x) const {
  const LayerCall call(x.tape(), weight_.path());
  require_rows("conv_transpose2d", weight_, in_, x);
  const Var weight = weight_.weight_on(x.tape()), bias = weight_.bias_on(x.tape());
  const Var y = weight_.form() == Form::native ? native_conv_transpose2d(weight, bias, x, in_, out_.c, options_, output_pad_)
                                               : spmm(pattern(), weight, bias, x, out_.shape());
  return call.done(y, [&] { return weight_.info(1); });
}

}  // namespace weft
