#include <weft/layers/norm.hpp>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

Tensor filled(Dtype dtype, std::int64_t n, double value) {
  Tensor t = Tensor::plain(dtype, {n});
  t.fill(value);
  return t;
}

ParamPtr vector_parameter(const Scope& s, const char* name, std::int64_t n, double value) {
  return s.store().add({.name = s.path_of(name), .value = filled(s.store().dtype(), n, value), .decay = false, .shape = {n}});
}

void require_length(const char* op, const Scope& s, std::int64_t n, double eps) {
  if (n < 1 || !(eps > 0))
    throw ShapeError(
        {.op = op, .path = s.path(), .what = cat("length ", n, " with eps ", eps), .hint = "give a length of 1 or more and eps > 0"});
}

void require_last_axis(const char* op, const std::string& path, std::int64_t n, Var x) {
  if (x.rows().rank() > 0 && x.rows().back() == n) return;
  throw ShapeError({.op = op,
                    .path = path,
                    .what = cat("the layer normalises ", n, " along the last row axis, X has rows ", x.rows().str()),
                    .hint = "build it with the channels of its input"});
}

}  // namespace

BatchNorm::BatchNorm(const Scope& s, std::int64_t channels, BatchNormOptions options) : path_(s.path()), eps_(options.eps) {
  require_length("batch_norm", s, channels, options.eps);
  weight_ = vector_parameter(s, "weight", channels, 1);
  bias_ = vector_parameter(s, "bias", channels, 0);
  running_.mean = s.store().add_buffer(s.path_of("running_mean"), filled(s.store().dtype(), channels, 0));
  running_.variance = s.store().add_buffer(s.path_of("running_var"), filled(s.store().dtype(), channels, 1));
  running_.momentum = options.momentum;
}

Var BatchNorm::operator()(Var x) const {
  const LayerCall call(x.tape(), path_);
  require_last_axis("batch_norm", path_, weight_->shape[0], x);
  const Var y = batch_norm(x, x.tape().param(weight_), x.tape().param(bias_), running_, eps_);
  return call.done(y, [&] { return LayerInfo{path_, "batch_norm", nullptr, {weight_, bias_}, 1}; });
}

LayerNorm::LayerNorm(const Scope& s, std::int64_t d, double eps) : path_(s.path()), eps_(eps) {
  require_length("layer_norm", s, d, eps);
  weight_ = vector_parameter(s, "weight", d, 1);
  bias_ = vector_parameter(s, "bias", d, 0);
}

Var LayerNorm::operator()(Var x) const {
  const LayerCall call(x.tape(), path_);
  require_last_axis("layer_norm", path_, weight_->shape[0], x);
  const Var y = layer_norm(x, x.tape().param(weight_), x.tape().param(bias_), eps_);
  return call.done(y, [&] { return LayerInfo{path_, "layer_norm", nullptr, {weight_, bias_}, 1}; });
}

}  // namespace weft
