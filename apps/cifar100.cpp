// A residual network on CIFAR-100, every layer a sparse matrix product: ./run cifar100
#include <weft.hpp>
#include <weft/apps/models/image_nets.hpp>
#include <weft/apps/support/run.hpp>

using namespace weft;

int main(int argc, char** argv) {
  return guarded([&] {
    Run run(argc, argv, image_recipe({.epochs = 36, .batch = 64, .lr = 0.1, .shift = 4, .model = "resnet12"}));
    const ImageData images = run.images(CifarKind::hundred);
    ParamStore params(run.device(), run.seed());
    const Sequential net = image_net(Scope{params, run.form()}, images.train, run.options());
    run.show(summary(net, images.train.lattice.shape()));
    return run.fit(net, params, images, cross_entropy);
  });
}
