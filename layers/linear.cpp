#include <weft/layers/linear.hpp>

#include <utility>

#include <weft/autograd/ops/native.hpp>
#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

void require_sides(const Scope& s, std::int64_t in, std::int64_t out) {
  if (in < 1 || out < 1 || in > INT32_MAX || out > INT32_MAX)
    throw ShapeError({.op = "linear", .path = s.path(), .what = cat("in = ", in, ", out = ", out, ": both must be 1 or more")});
}

PatternWeight::Spec pattern_spec(PatternPtr pattern, const LinearOptions& options) {
  PatternWeight::Spec spec{.pattern = std::move(pattern), .keeps_pattern = true, .init = options.init};
  spec.field = values_map(spec.pattern);
  spec.fans = fans_of(*spec.pattern);
  spec.bias = options.bias ? spec.pattern->rows() : 0;
  return spec;
}

PatternWeight::Spec linear_spec(const Scope& s, std::int64_t in, std::int64_t out, const LinearOptions& options) {
  require_sides(s, in, out);
  if (options.density != 1)
    return pattern_spec(patterns::random_blocks(out, in, options.block, options.density, s.structure_seed()), options);
  PatternWeight::Spec spec;  // set member by member: g++ 12 warns of the designated form's unwinding
  spec.pattern = patterns::dense_whole(out, in);
  spec.native = native_linear_map(in, out);
  spec.init = options.init;
  spec.field = linear_map(spec.pattern);
  spec.fans = {static_cast<double>(in), static_cast<double>(out)};
  spec.bias = options.bias ? out : 0;
  return spec;
}

ByCount<PatternPtr> repeats_of(const PatternPtr& pattern) {
  return ByCount<PatternPtr>([pattern](std::int64_t n) { return n == 1 ? pattern : patterns::repeat_diagonal(pattern, n); });
}

}  // namespace

Linear::Linear(const Scope& s, std::int64_t in, std::int64_t out, LinearOptions options)
    : weight_(s, "linear", linear_spec(s, in, out, options)), repeats_(repeats_of(pattern())) {}

Linear::Linear(const Scope& s, PatternPtr pattern, LinearOptions options)
    : weight_(s, "linear", pattern_spec(std::move(pattern), options)), repeats_(repeats_of(weight_.pattern())) {}

Linear::Linear(const Scope& s, const PatternWeight& shared, LinearOptions options)
    : weight_(s, "linear", shared, options.bias ? shared.pattern()->rows() : 0), repeats_(repeats_of(weight_.pattern())) {}

void Linear::require_input(Var x) const {
  if (x.rows().rank() == 0 || x.rows().back() != in())
    throw ShapeError({.op = "linear",
                      .path = weight_.path(),
                      .what = cat("S is ", out(), " x ", in(), " (", pattern()->name(), "), X has rows ", x.rows().str()),
                      .hint = "the last row axis must be the layer's input; flatten an image first"});
}

Var Linear::operator()(Var x) const {
  const LayerCall call(x.tape(), weight_.path());
  require_input(x);
  const std::int64_t leading = x.rows().size() / in();
  const Var weight = weight_.weight_on(x.tape()), bias = weight_.bias_on(x.tape());
  const Var y = weight_.form() == Form::native ? native_linear(weight, bias, x, out())
                                               : spmm(repeats_.of(leading), weight, bias, x, x.rows().with_back(out()));
  return call.done(y, [&] { return weight_.info(leading); });
}

Loss Linear::cross_entropy(Var x, const Tensor& targets, CrossEntropyOptions options) const {
  if (weight_.form() == Form::native || options.label_smoothing != 0) return weft::cross_entropy((*this)(x), targets, options);
  const LayerCall call(x.tape(), weight_.path());
  require_input(x);
  Loss loss = linear_cross_entropy(pattern(), weight_.weight_on(x.tape()), weight_.bias_on(x.tape()), x, targets, options.ignore_index);
  loss.sum = call.done(loss.sum, [&] { return weight_.info(x.rows().size() / in()); });
  return loss;
}

}  // namespace weft
