// The second convolution (with its relu and pooling) and the hidden Linear (with its relu) of the MNIST network: forward and
// both gradients, as a training step runs them, with a share of their blocks against all of them.
#include <string>

#include <weft.hpp>
#include <weft/apps/bench/operands.hpp>
#include <weft/apps/bench/tables.hpp>
#include <weft/apps/models/mnist_cnn.hpp>
#include <weft/core/text.hpp>
#include <weft/kernels/product.hpp>

namespace weft::bench {

namespace {

constexpr int kBatch = 128;
constexpr double kFloorConv = 2.0, kFloorHidden = 2.8;

/// One layer's part of a training step.
class LayerPart {
 public:
  LayerPart(const PatternPtr& pattern, const Tensor& bias, const kernels::MaxWindow& window) : o_(pattern, kBatch), bias_(bias) {
    e_.map = {kernels::Map::relu};
    e_.window = window;
    dbias_ = Tensor::plain(Dtype::f32, bias.rows());
    y_ = window ? Tensor::tiled(Dtype::f32, window.out().shape(), o_.x.columns()) : o_.y;
    dy_ = window ? Tensor::tiled(Dtype::f32, window.out().shape(), o_.x.columns()) : o_.dy;
    fill_noise(dy_);
    if (window) e_.choice = Tensor::plain(Dtype::u8, {kernels::choice_bytes(window, *o_.x.columns())});
    else e_.saved = Tensor::plain(Dtype::u8, {kernels::bit_bytes(y_)});
  }

  double flops() const { return 3 * o_.flops(); }
  void run() {
    kernels::spmm(*o_.pattern, o_.values, bias_, o_.x, e_, y_);
    kernels::spmm_backward(*o_.pattern, o_.values, o_.x, e_, y_, dy_, {.dx = o_.dx, .dvalues = o_.dvalues, .dbias = dbias_}, pool_);
  }

 private:
  ProductOperands o_;
  Tensor bias_, dbias_, y_, dy_;
  kernels::Epilogue e_;
  Pool pool_;
};

struct Layers {
  ParamStore params;
  MnistCnn net;
  explicit Layers(double density) : net(Scope(params), {28, 28, 1}, {.density = density}) {}

  LayerPart c2() const { return {net.c2.pattern(), net.c2.bias()->value, {net.c2.out(), 2}}; }
  LayerPart hidden() const { return {net.hidden.pattern(), net.hidden.bias()->value, {}}; }
};

void line(Context& context, const std::string& layer, double floor, LayerPart dense, LayerPart sparse, double density) {
  const std::string cell = cat("density/", layer);
  if (!context.wants(cell)) return;
  const std::map<std::string, Outcome> outcomes =
      race(context, {{cell, sparse.flops(), [&] { sparse.run(); }, {{"dense", [&] { dense.run(); }}}}});
  const Outcome& o = outcomes.at(cell);
  const double ratio = o.ratios.at("dense");
  std::string text =
      left("  " + layer, 12) + right(show(density, Unit::share), 9) + right(show_share(o), 9) + right(show(ratio, Unit::ratio), 10);
  if (context.options.density == 0.25)
    text += right(show(floor, Unit::ratio), 8) + "  " +
            judge_if_calm(context.results, cat(cell, ", ", team(), ", against dense"), ratio, floor, Unit::ratio, o.disturbed);
  context.results.line(text);
}

}  // namespace

void density_table(Context& context) {
  if (!context.wants("density/c2") && !context.wants("density/hidden")) return;
  context.results.heading(cat("Forward and both gradients of two layers of the MNIST network, batch ", kBatch, ", ", team(), ", --density ",
                              context.options.density, ": time of all blocks / of those kept"));
  context.results.line(left("  layer", 12) + right("density", 9) + right("share", 9) + right("ratio", 10) + right("floor", 8));
  const Layers all(1), some(context.options.density);
  line(context, "c2", kFloorConv, all.c2(), some.c2(), some.net.c2.pattern()->density() / all.net.c2.pattern()->density());
  line(context, "hidden", kFloorHidden, all.hidden(), some.hidden(), some.net.hidden.pattern()->density());
}

}  // namespace weft::bench
