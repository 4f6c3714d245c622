#pragma once

#include <numeric>
#include <string>

#include <weft/apps/support/config.hpp>
#include <weft/autograd/ops.hpp>
#include <weft/core/error.hpp>
#include <weft/core/shape.hpp>
#include <weft/core/text.hpp>
#include <weft/data/dataset.hpp>
#include <weft/layers/compose.hpp>
#include <weft/layers/conv.hpp>
#include <weft/layers/linear.hpp>
#include <weft/layers/norm.hpp>
#include <weft/layers/pool.hpp>
#include <weft/layers/scope.hpp>

namespace weft {

/// Grows a convolutional network stage by stage and keeps the lattice that each hands on.
class ConvStack {
 public:
  /// `density`: share of blocks that every convolution but the first keeps, the same at every pixel; 16x16, or what divides its channels.
  ConvStack(const Scope& s, Lattice in, double density) : scope_(s), at_(in), density_(density) {}

  /// 3x3 convolution, batch normalisation, relu.
  ConvStack& conv(int c_out, int stride = 1) {
    append(net_, cat("c", ++convs_), c_out, stride);
    return *this;
  }
  /// x + conv(conv(x)), no relu after the sum.
  ConvStack& residual() {
    Sequential inner;
    for (int i = 0; i < 2; ++i) append(inner, cat("c", ++convs_), at_.c, 1);
    net_.add(Residual(inner));
    return *this;
  }
  ConvStack& pool(int kernel = 2) {
    const MaxPool2d pool(scope_ / cat("p", ++pools_), at_, {.kernel = kernel});
    at_ = pool.out();
    net_.add(pool);
    return *this;
  }
  /// Maximum over all positions, then a linear layer: [classes, N].
  Sequential head(int classes) {
    if (at_.h != at_.w)
      throw ShapeError({.op = "image_net", .path = scope_.path(), .what = cat("images must be square, got ", at_.shape().str())});
    pool(at_.h);
    net_.add(flatten).add(Linear(scope_ / "head", at_.c, classes));
    return net_;
  }

 private:
  void append(Sequential& net, const std::string& name, int c_out, int stride) {
    const int block = std::gcd(16, std::gcd(at_.c, c_out));
    const Conv2d conv(scope_ / name, at_, c_out,
                      {.kernel = 3,
                       .stride = stride,
                       .pad = 1,
                       .bias = false,
                       .density = convs_ == 1 ? 1 : density_,
                       .block = density_ < 1 ? block : 16});
    at_ = conv.out();
    net.add(conv).add(BatchNorm(scope_ / cat(name, "_norm"), at_)).add(relu);
  }

  Scope scope_;
  Lattice at_;
  double density_;
  int convs_ = 0, pools_ = 0;
  Sequential net_;
};

/// An image network [h, w, c, N] -> [classes, N]: resnet9, resnet12, or vgg9 and vgg12, the same without the residual sums. Stages of
/// equal cost after the first: full resolution narrow, channels doubled with each pooling. resnet9 of width 16 on 32x32x3 images of 10
/// classes has 412,954 parameters and 24 M multiply-adds. Width 0 is 24, or 16 where a budget below 8 minutes leaves too few epochs
/// for that and in the untied form, which has a weight for each pixel (then resnet9 has 21 M parameters on 32x32 images, resnet12 25 M).
/// Images of 64x64 and more are halved by the first convolution. Throws ConfigError for another model.
inline Sequential image_net(const Scope& s, const ImageSet& images, const RunOptions& o) {
  const bool deep = o.model == "resnet12" || o.model == "vgg12", residual = o.model == "resnet9" || o.model == "resnet12";
  if (!deep && !residual && o.model != "vgg9")
    throw ConfigError({.op = "options",
                       .path = "model",
                       .what = cat("there is no model '", o.model, "'"),
                       .hint = "choose resnet9, resnet12, vgg9 or vgg12"});
  const bool narrow = (o.budget > 0 && o.budget < 8) || o.form == "untied";
  const int width = o.width > 0 ? o.width : narrow ? 16 : 24;
  ConvStack net(s, images.lattice, o.density);
  const auto pair = [&](int c) { residual ? net.residual() : net.conv(c).conv(c); };
  net.conv(width, images.lattice.h >= 64 ? 2 : 1).conv(2 * width).pool();
  pair(2 * width);
  net.conv(4 * width).pool();
  if (deep) pair(4 * width);
  net.conv(8 * width).pool();
  pair(8 * width);
  return net.head(images.classes);
}

/// What the image benchmarks share, for an app's own epochs, batch, lr, shift, model and width: SGD along a triangle, decay, label
/// smoothing, shifts that reflect, squares cut out, flips.
inline RunOptions image_recipe(RunOptions o) {
  o.optimizer = "sgd";
  o.schedule = "triangle";
  o.weight_decay = 5e-4;
  o.label_smoothing = 0.1;
  o.fill = "reflect";
  o.cutout = 0.25;
  o.flip = true;
  o.drop_last = true;
  o.lacks = {"dropout"};
  return o;
}

}  // namespace weft
