// A residual network on Tiny ImageNet or on images of your own, every layer a sparse matrix product: ./run tiny_imagenet
#include <weft.hpp>
#include <weft/apps/models/image_nets.hpp>
#include <weft/apps/support/run.hpp>

using namespace weft;

int main(int argc, char** argv) {
  return guarded([&] {
    Run run(argc, argv, image_recipe({.epochs = 28, .lr = 0.15, .shift = 6, .model = "resnet12", .width = 16, .side = 64}));
    const ImageData images = run.images(TinyImageNet{});
    ParamStore params(run.device(), run.seed());
    const Sequential net = image_net(Scope{params, run.form()}, images.train, run.options());
    run.show(summary(net, images.train.lattice.shape()));
    return run.fit(net, params, images, cross_entropy);
  });
}
