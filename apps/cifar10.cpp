// A residual network on CIFAR-10, every layer a sparse matrix product: ./run cifar10
#include <weft.hpp>
#include <weft/apps/models/image_nets.hpp>
#include <weft/apps/support/run.hpp>

using namespace weft;

int main(int argc, char** argv) {
  return guarded([&] {
    Run run(argc, argv, image_recipe({.epochs = 36, .lr = 0.2, .shift = 4, .model = "resnet9"}));
    const ImageData images = run.images(CifarKind::ten);
    ParamStore params(run.device(), run.seed());
    const Sequential net = image_net(Scope{params, run.form()}, images.train, run.options());
    run.show(summary(net, images.train.lattice.shape()));
    return run.fit(net, params, images, cross_entropy);
  });
}
