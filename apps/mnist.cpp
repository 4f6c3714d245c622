// A convolutional network on MNIST, every layer a sparse matrix product: ./run mnist
#include <weft.hpp>
#include <weft/apps/models/mnist_cnn.hpp>
#include <weft/apps/support/run.hpp>

using namespace weft;

int main(int argc, char** argv) {
  return guarded([&] {
    Run run(argc, argv, {.epochs = 8, .batch = 128, .lr = 4e-3, .schedule = "linear", .warmup = 100, .shift = 1});
    const ImageData images = run.images();
    const Lattice in = images.train.lattice;
    ParamStore params(run.device(), run.seed());
    const MnistCnn net(Scope{params, run.form()}, in, {images.train.classes, run.options().density, run.options().dropout});
    run.show(summary(net, in.shape()));
    return run.fit(net, params, images, cross_entropy);
  });
}
