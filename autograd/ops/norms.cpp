#include <weft/kernels/norms.hpp>

#include <weft/autograd/ops.hpp>
#include <weft/autograd/ops/chain.hpp>
#include <weft/autograd/ops/operands.hpp>
#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

/// Moves the running statistics towards the batch's; the variance is made unbiased and needs two values.
void update(const BatchStatistics& running, const kernels::ChannelStatistics& batch) {
  if (batch.count == 0) return;
  const double keep = 1 - running.momentum, take = running.momentum;
  const double unbias = batch.count > 1 ? static_cast<double>(batch.count) / static_cast<double>(batch.count - 1) : 0;
  by_float(running.mean.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (std::size_t c = 0; c < batch.mean.size(); ++c) {
      T& mean = running.mean.data<T>()[c];
      T& variance = running.variance.data<T>()[c];
      mean = static_cast<T>(keep * static_cast<double>(mean) + take * batch.mean[c]);
      if (unbias > 0) variance = static_cast<T>(keep * static_cast<double>(variance) + take * unbias * batch.variance[c]);
    }
  });
}

kernels::ChannelStatistics stored(const BatchStatistics& running) {
  kernels::ChannelStatistics statistics;
  by_float(running.mean.dtype(), [&](auto zero) {
    using T = decltype(zero);
    statistics.mean.assign(running.mean.data<T>(), running.mean.data<T>() + running.mean.row_count());
    statistics.variance.assign(running.variance.data<T>(), running.variance.data<T>() + running.variance.row_count());
  });
  return statistics;
}

void require_running(Var x, const BatchStatistics& running, std::int64_t channels) {
  const auto fits = [&](const Tensor& t) {
    return t.defined() && !t.is_tiled() && t.row_count() == channels && (t.dtype() == Dtype::f32 || t.dtype() == Dtype::f64);
  };
  if (fits(running.mean) && fits(running.variance) && running.mean.dtype() == running.variance.dtype()) return;
  throw ShapeError({.op = "batch_norm",
                    .path = x.tape().path(),
                    .what = cat("the running statistics do not fit ", shape_text(x)),
                    .hint = cat("both must be plain floating tensors of ", channels)});
}

void require_affine(const char* op, Var x, Var gamma, Var beta) {
  require_same_dtype(op, x, gamma);
  require_same_dtype(op, x, beta);
  const std::int64_t channels = last_axis(op, x);
  require_plain(op, "gamma", gamma, channels);
  require_plain(op, "beta", beta, channels);
}

/// Gradients of gamma (input 1) and beta (input 2) from [Σ dy, Σ dy·normalised].
void add_affine(const std::vector<double>& sums, GradSink& grads) {
  for (const int input : {1, 2}) {
    if (!grads.wants(input)) continue;
    const Tensor g = grads.buffer(input);
    write_plain(sums.data() + (input == 1 ? g.row_count() : 0), g);
    grads.add(input, g);
  }
}

/// Batch normalisation with its statistics: the head of a chain, so that activation and pooling run in the same pass.
class Normalisation : public ChainHead {
 public:
  Normalisation(Var x, Var gamma, Var beta, kernels::ChannelStatistics statistics, double eps)
      : ChainHead("batch_norm", {x, gamma, beta}, x, x.rows()),
        statistics_(std::move(statistics)),
        eps_(eps),
        x_(x.value()),
        gamma_(gamma.value()),
        beta_(beta.value()) {}

  void forward(const kernels::Epilogue& e, const Tensor& y) override {
    kernels::normalise_channels(x_, statistics_, gamma_, beta_, eps_, e, y);
  }

  void backward(const kernels::Epilogue& e, const Tensor& y, const Tensor& dy, const Tensor& expanded, GradSink& grads,
                const Pool& pool) override {
    const bool changes = e.window || e.map.map != kernels::Map::identity;
    Tensor dz = dy;
    kernels::Epilogue through;
    if (changes && !expanded.defined() && kernels::reads_through(e, *columns)) {
      through = e;
    } else if (changes) {
      dz = expanded.defined() ? expanded : Tensor::tiled(dtype, rows, columns, pool);
      kernels::expand_gradient(e, y, dy, dz);
    }
    const std::vector<double> sums = kernels::channel_gradients(x_, statistics_, eps_, through, dz);
    add_affine(sums, grads);
    if (!grads.wants(0)) return;
    const Tensor dx = grads.buffer(0);
    kernels::normalise_channels_grad(x_, statistics_, gamma_, eps_, through, dz, sums, dx);
    grads.add(0, dx);
  }

 private:
  kernels::ChannelStatistics statistics_;
  double eps_;
  Tensor x_, gamma_, beta_;
};

}  // namespace

Var batch_norm(Var x, Var gamma, Var beta, const BatchStatistics& running, double eps) {
  require_affine("batch_norm", x, gamma, beta);
  require_running(x, running, x.rows().back());
  if (!x.columns())
    throw ShapeError({.op = "batch_norm", .path = x.tape().path(), .what = cat(shape_text(x), " has no columns to take statistics over")});
  const bool training = x.tape().training();
  const auto statistics = training ? kernels::channel_statistics(x.value()) : stored(running);
  if (training) update(running, statistics);
  return defer_chain(std::make_shared<Normalisation>(x, gamma, beta, statistics, eps));
}

Var layer_norm(Var x, Var gamma, Var beta, double eps) {
  require_affine("layer_norm", x, gamma, beta);
  const Tensor in = x.value(), stretch = gamma.value();
  Tensor y = x.tape().like(x);
  const Pool& pool = x.tape().pool();
  const Shape lead = leading_rows(x.rows());
  const auto heads = [&] {
    return in.is_tiled() ? Tensor::tiled(Dtype::f64, lead, in.columns(), pool) : Tensor::plain(Dtype::f64, lead, pool);
  };
  const Tensor mean = heads(), scale = heads();
  kernels::layer_norm(in, stretch, beta.value(), eps, y, mean, scale);
  return x.tape().record("layer_norm", y, {x, gamma, beta},
                         [=](const Tensor& dy, GradSink& grads) {
                           if (grads.wants(1) || grads.wants(2)) add_affine(kernels::layer_norm_gradients(in, mean, scale, dy), grads);
                           if (!grads.wants(0)) return;
                           const Tensor dx = grads.buffer(0);
                           kernels::layer_norm_grad(in, stretch, mean, scale, dy, dx);
                           grads.add(0, dx);
                         },
                         {mean, scale});
}

}  // namespace weft
