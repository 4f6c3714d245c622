#include <weft/layers/linear.hpp>

#include <map>
#include <mutex>
#include <utility>

#include <weft/autograd/ops.hpp>
#include <weft/autograd/ops/native.hpp>
#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/text.hpp>

namespace weft {

struct Linear::Repeats {
  std::mutex mutex;
  std::map<std::int64_t, PatternPtr> by_count;

  PatternPtr of(const PatternPtr& pattern, std::int64_t n) {
    if (n == 1) return pattern;
    const std::lock_guard lock(mutex);
    PatternPtr& found = by_count[n];
    if (found == nullptr) found = patterns::repeat_diagonal(pattern, n);
    return found;
  }
};

namespace {

/// The block side for one side of a dense matrix: the divisor nearest to 32, so that I ⊗ S has whole blocks too; the whole
/// side where it has no divisor between 8 and 64.
int side_of(std::int64_t extent) {
  for (int step = 0; step <= 32; ++step)
    for (const int side : {32 - step, 32 + step})
      if (side >= 8 && extent % side == 0) return side;
  return static_cast<int>(extent);
}

PatternPtr dense_pattern(std::int64_t in, std::int64_t out) {
  const PatternPtr square = patterns::dense(out, in);
  const int height = side_of(out), width = side_of(in);
  if (square->block() == ValueLayout{BlockKind::dense, height, width}) return square;
  PatternSpec spec{.rows = out, .cols = in, .block = {BlockKind::dense, height, width}, .row_ptr = {0}, .name = square->name()};
  for (std::int64_t r = 0; r < out / height; ++r) {
    for (std::int64_t c = 0; c < in / width; ++c) spec.col.push_back(static_cast<std::int32_t>(c));
    spec.row_ptr.push_back(static_cast<std::int64_t>(spec.col.size()));
  }
  return make_pattern(std::move(spec));
}

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
  spec.pattern = dense_pattern(in, out);
  spec.native = native_linear_map(in, out);
  spec.init = options.init;
  spec.field = linear_map(spec.pattern);
  spec.fans = {static_cast<double>(in), static_cast<double>(out)};
  spec.bias = options.bias ? out : 0;
  return spec;
}

}  // namespace

Linear::Linear(const Scope& s, std::int64_t in, std::int64_t out, LinearOptions options)
    : weight_(s, "linear", linear_spec(s, in, out, options)), repeats_(std::make_shared<Repeats>()) {}

Linear::Linear(const Scope& s, PatternPtr pattern, LinearOptions options)
    : weight_(s, "linear", pattern_spec(std::move(pattern), options)), repeats_(std::make_shared<Repeats>()) {}

Linear::Linear(const Scope& s, const PatternWeight& shared, LinearOptions options)
    : weight_(s, "linear", shared, options.bias ? shared.pattern()->rows() : 0), repeats_(std::make_shared<Repeats>()) {}

Var Linear::operator()(Var x) const {
  const LayerCall call(x.tape(), weight_.path());
  if (x.rows().rank() == 0 || x.rows().back() != in())
    throw ShapeError({.op = "linear",
                      .path = weight_.path(),
                      .what = cat("S is ", out(), " x ", in(), " (", pattern()->name(), "), X has rows ", x.rows().str()),
                      .hint = "the last row axis must be the layer's input; flatten an image first"});
  const std::int64_t leading = x.rows().size() / in();
  const Var weight = weight_.weight_on(x.tape()), bias = weight_.bias_on(x.tape());
  const Var y = weight_.form() == Form::native ? native_linear(weight, bias, x, out())
                                               : spmm(repeats_->of(pattern(), leading), weight, bias, x, x.rows().with_back(out()));
  return call.done(y, [&] { return weight_.info(leading); });
}

}  // namespace weft
