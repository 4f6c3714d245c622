#include <weft/layers/pattern_weight.hpp>

#include <algorithm>
#include <utility>

#include <weft/core/error.hpp>
#include <weft/core/patterns.hpp>
#include <weft/core/text.hpp>
#include <weft/layers/pattern_state.hpp>

namespace weft {

namespace {

/// Initial values in the field's shape.
Tensor drawn(const Shape& shape, Dtype dtype, const Random& draws, const Initialiser& init, Fans fans) {
  const std::vector<double> values = init(draws, shape, fans);
  WEFT_CHECK(static_cast<std::int64_t>(values.size()) == shape.size());
  Tensor field = Tensor::plain(dtype, shape);
  by_float(dtype, [&](auto zero) {
    using T = decltype(zero);
    std::transform(values.begin(), values.end(), field.data<T>(), [](double value) { return static_cast<T>(value); });
  });
  return field;
}

/// Values of the untied pattern: block e starts as a copy of its tied slot's.
Tensor spread(const SparsePattern& tied, const SparsePattern& untied, const Tensor& values) {
  const std::int64_t size = tied.block().slot_size();
  Tensor own = Tensor::plain(values.dtype(), {untied.values_size()});
  by_float(values.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t e = 0; e < tied.blocks(); ++e)
      std::copy_n(values.data<T>() + tied.slot(e) * size, size, own.data<T>() + untied.slot(e) * size);
  });
  return own;
}

/// `count` copies one after another.
Tensor copies(const Tensor& values, std::int64_t count) {
  const std::int64_t n = values.row_count();
  Tensor all = Tensor::plain(values.dtype(), {count * n});
  by_float(values.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < count; ++i) std::copy_n(values.data<T>(), n, all.data<T>() + i * n);
  });
  return all;
}

Parameter weight_parameter(std::string name, Tensor value, FieldMap map) {
  Parameter p;
  p.name = std::move(name);
  p.value = std::move(value);
  p.shape = map.shape;
  p.to_field = [map](const Tensor& stored) { return map.to_field(stored); };
  p.from_field = [map](const Tensor& field) { return map.from_field(field); };
  return p;
}

}  // namespace

Fans fans_of(const SparsePattern& p) {
  const auto nnz = static_cast<double>(p.nnz());
  return {nnz / static_cast<double>(p.rows()), nnz / static_cast<double>(p.cols())};
}

PatternWeight::PatternWeight(const Scope& s, std::string kind, Spec spec)
    : form_(s.form()), path_(s.path()), kind_(std::move(kind)), pattern_(spec.pattern), field_(spec.field) {
  if (form_ == Form::native && !spec.native.at)
    throw ConfigError({.op = kind_,
                       .path = path_,
                       .what = cat("the native form has no ", pattern_->name()),
                       .hint = "the native form is dense: use density 1, or --form sparse"});
  const Dtype dtype = s.store().dtype();
  // What a pattern stores block by block is no matrix, and the initialiser must not take it for one.
  const Shape drawn_as = spec.keeps_pattern ? Shape{spec.field.shape.size()} : spec.field.shape;
  const std::string name = "weight" + spec.suffix, bias_name = "bias" + spec.suffix;
  const Tensor field = drawn(drawn_as, dtype, s.random(name), spec.init, spec.fans);
  FieldMap stored_as = form_ == Form::native ? spec.native : spec.field;
  Tensor value = stored_as.from_field(field);
  PatternPtr kept = !spec.keeps_pattern ? nullptr : spec.kept ? spec.kept : spec.pattern;
  if (form_ == Form::untied && pattern_->tied()) {
    kept = pattern_ = spec.untied ? spec.untied : patterns::untied(spec.pattern);
    stored_as = field_ = values_map(pattern_);
    value = field_.from_field(field_.to_field(spread(*spec.pattern, *pattern_, value)));  // clears what the edge cuts off
  }
  const std::string prefix = field_name(spec.suffix.empty() ? path_ : s.path_of(name));
  weight_ = s.store().add(weight_parameter(s.path_of(name), value, stored_as),
                          kept ? (prefix.empty() ? "values" : prefix + ".values") : std::string());
  if (kept)
    for (auto& [array, values] : pattern_state(*kept, prefix)) s.store().add_structure(array, values);
  add_bias(s, bias_name, spec.bias, form_ == Form::untied ? spec.untied_biases : 1, spec.fans);
}

PatternWeight::PatternWeight(const Scope& s, std::string kind, const PatternWeight& shared, std::int64_t bias) : PatternWeight(shared) {
  path_ = s.path();
  kind_ = std::move(kind);
  bias_ = nullptr;
  add_bias(s, "bias", bias, 1, fans_of(*pattern_));
}

void PatternWeight::add_bias(const Scope& s, const std::string& name, std::int64_t length, std::int64_t count, Fans fans) {
  if (length == 0) return;
  const Tensor drawn_bias = drawn({length}, s.store().dtype(), s.random(name), initialise::torch_default(), fans);
  const Shape shape = count == 1 ? Shape{length} : Shape{count, length};
  bias_ = s.store().add({.name = s.path_of(name), .value = copies(drawn_bias, count), .decay = false, .shape = shape});
}

std::vector<double> PatternWeight::to_dense() const {
  const Tensor values = form_ == Form::native ? field_.from_field(weight_->field_value()) : weight_->value;
  const Tensor doubles = values.dtype() == Dtype::f64 ? values : cast(values, Dtype::f64);
  return weft::to_dense(*pattern_, {doubles.data<double>(), static_cast<std::size_t>(doubles.row_count())});
}

std::vector<ParamPtr> PatternWeight::parameters() const {
  std::vector<ParamPtr> all{weight_};
  if (bias_) all.push_back(bias_);
  return all;
}

LayerInfo PatternWeight::info(std::int64_t repeats) const { return {path_, kind_, pattern_, parameters(), repeats}; }

}  // namespace weft
