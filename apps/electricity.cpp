// Electricity consumption one day ahead, all clients by one model, forecast by sparse matrix products: ./run electricity
#include <weft.hpp>
#include <weft/apps/models/series_nets.hpp>
#include <weft/apps/support/run.hpp>

using namespace weft;

int main(int argc, char** argv) {
  return guarded([&] {
    Run run(argc, argv,
            series_recipe({.epochs = 10, .batch = 256, .model = "linear", .set = "first1000h", .look_back = 168, .horizon = 24},
                          {{.epochs = 5, .batch = 256, .lr = 4e-3, .model = "lstm", .width = 64, .look_back = 168, .layers = 1},
                           {.epochs = 5, .batch = 256, .lr = 4e-3, .model = "gru", .width = 64, .look_back = 168, .layers = 1},
                           {.epochs = 5, .batch = 256, .lr = 4e-3, .model = "cnn", .width = 64, .look_back = 168, .layers = 2}}));
    const TrainingData windows = series_batches(run.electricity(), run.options(), SampleOf::one_series);
    ParamStore params(run.device(), run.seed());
    const SeriesNet net(Scope{params, run.form()}, windows.input[0], run.options());
    run.show(summary(net, windows.input));
    return run.fit(net, params, windows, mse);
  });
}
