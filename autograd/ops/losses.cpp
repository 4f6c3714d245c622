#include <weft/kernels/losses.hpp>

#include <weft/autograd/ops.hpp>
#include <weft/autograd/ops/operands.hpp>
#include <weft/autograd/ops/targets.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>
#include <weft/kernels/counted_rows.hpp>

namespace weft {

using kernels::PointLoss;

namespace {

void require_matching_columns(const char* op, Var x, const Tensor& target) {
  const ColumnsPtr& left = x.columns();
  const ColumnsPtr& right = target.columns();
  if (left == right || (left && right && *left == *right)) return;
  throw ShapeError({.op = op,
                    .path = x.tape().path(),
                    .what = cat("the targets have ", right ? right->count : 0, " columns in ", right ? right->lanes : 0,
                                " lanes, the predictions are ", shape_text(x)),
                    .hint = "pack targets with the Columns of their batch"});
}

void require_same_kind(const char* op, Var prediction, const Tensor& target) {
  require_float(op, prediction);
  if (!target.defined() || target.dtype() != prediction.dtype())
    throw UsageError({.op = op,
                      .path = prediction.tape().path(),
                      .what = cat("the target is ", target.defined() ? name_of(target.dtype()) : "undefined", ", the prediction ",
                                  name_of(prediction.dtype())),
                      .hint = "cast() the target to the prediction's type"});
  require_matching_columns(op, prediction, target);
  if (target.row_count() != prediction.rows().size())
    throw ShapeError({.op = op,
                      .path = prediction.tape().path(),
                      .what = cat("the target has ", target.rows().str(), " rows, the prediction is ", shape_text(prediction))});
}

Loss point_loss(const char* op, PointLoss loss, Var prediction, const Tensor& target) {
  require_same_kind(op, prediction, target);
  const Tensor x = prediction.value();
  Tensor y = scalar_like(prediction, kernels::point_loss(loss, x, target));
  const auto backward = [=](const Tensor& dy, GradSink& grads) {
    const Tensor dx = grads.buffer(0);
    kernels::point_loss_grad(loss, x, target, scalar_value(dy), dx);
    grads.add(0, dx);
  };
  return {prediction.tape().record(op, y, {prediction}, backward),
          kernels::CountedRows(x.rows(), x.row_count()).sum(kernels::columns_of(x))};
}

}  // namespace

void require_targets(const char* op, Var x, const Shape& logits, const Tensor& targets) {
  if (!targets.defined() || targets.dtype() != Dtype::i32)
    throw UsageError({.op = op,
                      .path = x.tape().path(),
                      .what = cat("targets are ", targets.defined() ? name_of(targets.dtype()) : "undefined", ", not i32"),
                      .hint = "give class indices as i32"});
  require_matching_columns(op, x, targets);
  const std::int64_t lead = leading_rows(logits).size();
  if (targets.row_count() != lead)
    throw ShapeError({.op = op,
                      .path = x.tape().path(),
                      .what = cat("targets have ", targets.rows().str(), " rows, logits ", logits.str(), ": one target each for ", lead,
                                  " leading rows is needed")});
}

std::int64_t count_targets(const char* op, Var x, const Shape& logits, const Tensor& targets, std::int32_t ignore) {
  const Columns columns = kernels::columns_of(targets);
  const kernels::CountedRows counted(logits, targets.row_count());
  const std::int64_t classes = logits.back();
  std::int64_t count = 0;
  for (std::int64_t n = 0; n < columns.count; ++n)
    for (std::int64_t row = 0; row < counted.of(columns, n); ++row) {
      const std::int32_t target =
          targets.data<std::int32_t>()[n / columns.lanes * targets.tile_stride() + row * columns.lanes + n % columns.lanes];
      if (target == ignore) continue;
      if (target < 0 || target >= classes)
        throw UsageError({.op = op,
                          .path = x.tape().path(),
                          .what = cat("target ", target, " at row ", row, ", column ", n, " is not a class: logits have ", classes),
                          .hint = cat("targets lie in [0, ", classes, "), or equal ignore_index (", ignore, ")")});
      ++count;
    }
  return count;
}

Var Loss::mean() const { return sum * (count == 0 ? 0.0 : 1 / static_cast<double>(count)); }

Loss cross_entropy(Var logits, const Tensor& targets, CrossEntropyOptions options) {
  require_float("cross_entropy", logits);
  last_axis("cross_entropy", logits);
  require_targets("cross_entropy", logits, logits.rows(), targets);
  if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1))
    throw UsageError({.op = "cross_entropy",
                      .path = logits.tape().path(),
                      .what = cat("label smoothing is ", options.label_smoothing),
                      .hint = "give a share in [0, 1]"});
  const std::int64_t count = count_targets("cross_entropy", logits, logits.rows(), targets, options.ignore_index);
  const Tensor x = logits.value();
  const Pool& pool = logits.tape().pool();
  const Shape lead = leading_rows(logits.rows());
  const Tensor log_sum = x.is_tiled() ? Tensor::tiled(Dtype::f64, lead, x.columns(), pool) : Tensor::plain(Dtype::f64, lead, pool);
  const double smoothing = options.label_smoothing;
  const std::int32_t ignore = options.ignore_index;
  Tensor y = scalar_like(logits, kernels::cross_entropy(x, targets, smoothing, ignore, log_sum));
  const auto backward = [=](const Tensor& dy, GradSink& grads) {
    const Tensor dx = grads.buffer(0);
    kernels::cross_entropy_grad(x, targets, smoothing, ignore, log_sum, scalar_value(dy), dx);
    grads.add(0, dx);
  };
  return {logits.tape().record("cross_entropy", y, {logits}, backward, {log_sum}), count};
}

Loss mse(Var prediction, const Tensor& target) { return point_loss("mse", {PointLoss::Kind::squared}, prediction, target); }

Loss mae(Var prediction, const Tensor& target) { return point_loss("mae", {PointLoss::Kind::absolute}, prediction, target); }

Loss huber(Var prediction, const Tensor& target, double delta) {
  if (!(delta > 0))
    throw UsageError({.op = "huber", .path = prediction.tape().path(), .what = cat("delta is ", delta), .hint = "give a distance > 0"});
  return point_loss("huber", {PointLoss::Kind::huber, delta}, prediction, target);
}

Loss bce_with_logits(Var logits, const Tensor& target) {
  return point_loss("bce_with_logits", {PointLoss::Kind::bce_with_logits}, logits, target);
}

}  // namespace weft
