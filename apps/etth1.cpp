// Electricity transformers' load and temperature four days ahead, forecast by sparse matrix products: ./run etth1
#include <weft.hpp>
#include <weft/apps/models/series_nets.hpp>
#include <weft/apps/support/run.hpp>

using namespace weft;

int main(int argc, char** argv) {
  return guarded([&] {
    Run run(argc, argv,
            series_recipe({.epochs = 8, .batch = 32, .warmup = 77, .model = "linear", .look_back = 512, .horizon = 96},
                          {{.epochs = 3, .batch = 224, .dropout = 0.3, .model = "lstm", .width = 128, .look_back = 504, .layers = 1},
                           {.epochs = 3, .batch = 224, .dropout = 0.3, .model = "gru", .width = 128, .look_back = 504, .layers = 1},
                           {.epochs = 3, .batch = 224, .dropout = 0.3, .model = "cnn", .width = 64, .look_back = 336, .layers = 1}}));
    const TrainingData windows =
        series_batches(run.etth1(), run.options(), run.options().layers > 0 ? SampleOf::one_series : SampleOf::all_series);
    ParamStore params(run.device(), run.seed());
    const SeriesNet net(Scope{params, run.form()}, windows.input[0], run.options());
    run.show(summary(net, windows.input));
    return run.fit(net, params, windows, mse);
  });
}
