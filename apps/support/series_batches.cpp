#include <weft/apps/support/series_batches.hpp>

#include <memory>
#include <sstream>
#include <utility>
#include <vector>

#include <weft/apps/support/image_batches.hpp>
#include <weft/apps/support/report.hpp>
#include <weft/core/random.hpp>
#include <weft/core/text.hpp>
#include <weft/data/windows.hpp>

namespace weft {

namespace {

using SeriesPtr = std::shared_ptr<const StandardSeries>;

/// Equal for equal windows only: values, their names, look-back and horizon.
std::uint64_t fingerprint_of(const StandardSeries& s, WindowSize size) {
  const std::uint64_t values = hash_name({reinterpret_cast<const char*>(s.values.data()), s.values.size() * sizeof(double)});
  return hash_name(cat(values, ' ', s.steps, ' ', joined(s.names), ' ', size.look_back, ' ', size.horizon));
}

/// A field of a CSV file, in quotes.
std::string quoted(const std::string& field) {
  std::string text = "\"";
  for (const char c : field) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + "\"";
}

/// A line of a step: it, and for each series the truth and the forecast (nothing within the look-back), in the file's units.
std::string forecast_table(const StandardSeries& s, std::int64_t series, WindowRange windows, WindowSize size,
                           const std::vector<double>& forecast) {
  std::ostringstream text;
  text << "step";
  for (std::int64_t c = 0; c < series; ++c) {
    const std::string& name = s.names[static_cast<std::size_t>(c)];
    text << ',' << quoted(name) << ',' << quoted(name + " forecast");
  }
  for (std::int64_t t = -size.look_back; t < size.horizon; ++t) {
    text << '\n' << t;
    for (std::int64_t c = 0; c < series; ++c) {
      const double mean = s.mean[static_cast<std::size_t>(c)], deviation = s.deviation[static_cast<std::size_t>(c)];
      text << ',' << mean + deviation * s.of(c)[windows.first + t] << ',';
      if (t >= 0) text << mean + deviation * forecast[static_cast<std::size_t>(c * size.horizon + t)];
    }
  }
  text << '\n';
  return text.str();
}

/// Draws the last of some series.
std::string forecast_script(std::int64_t series, const std::string& name) {
  std::string title;  // gnuplot doubles a quote within quotes
  for (const char c : name) title += c == '\'' ? std::string("''") : std::string(1, c);
  return cat(
      "set terminal svg size 860,380 background rgb 'white'\n"
      "set output 'forecast.svg'\n"
      "set datafile separator ','\n"
      "set xlabel 'steps from the forecast'; set grid; set key top left\n"
      "set title '",
      title, ": the first test window' noenhanced\n", "plot 'forecast.csv' every ::1 using 1:", 2 * series,
      " with lines title 'truth', '' every ::1 using 1:", 2 * series + 1, " with lines title 'forecast'\n");
}

/// Leaves forecast.csv and forecast.gp. Returns the script's name.
std::string write_forecast(const SeriesPtr& s, WindowRange windows, SeriesLoaderOptions options, const Predict& predict,
                           const std::string& out) {
  options.batch = 1;
  SeriesLoader first(s, windows, options);
  first.begin(0);
  Batch batch;
  first.next(batch);
  const std::vector<double> forecast = unpack_rows<double>(cast(predict(batch.x), Dtype::f64));
  const std::int64_t series = first.input()[0];
  write_text(out + "/forecast.csv", forecast_table(*s, series, windows, options.size, forecast));
  write_text(out + "/forecast.gp", forecast_script(series, s->names[static_cast<std::size_t>(series - 1)]));
  return "forecast.gp";
}

}  // namespace

RunOptions series_recipe(RunOptions o, std::vector<RunOptions> models) {
  o.lr = 1e-3;
  o.clip = 1;
  o.lacks = {"label_smoothing", "shift", "fill", "flip", "cutout", "validation", "density"};
  for (RunOptions& m : models) m.clip = o.clip, m.lacks = o.lacks, m.set = o.set, m.horizon = o.horizon;
  o.models = std::move(models);
  return o;
}

TrainingData series_batches(const SeriesData& data, const RunOptions& options, SampleOf sample) {
  const auto series = std::make_shared<const StandardSeries>(standardised(data.series, data.split.train, data.source));
  SeriesLoaderOptions training;
  training.size = {options.look_back, options.horizon};
  training.batch = options.batch, training.sample = sample, training.seed = options.seed, training.lanes = lanes_of(options);
  training.last = options.drop_last ? LastBatch::drop : LastBatch::keep;
  SeriesLoaderOptions evaluation = training;
  evaluation.shuffle = Shuffle::no, evaluation.last = LastBatch::keep;
  const auto windows = [&](Part part) { return windows_of(data.split, part, training.size, data.source); };
  auto train = std::make_unique<SeriesLoader>(series, windows(Part::train), training);
  auto validation = std::make_unique<SeriesLoader>(series, windows(Part::validation), evaluation);
  auto test = std::make_unique<SeriesLoader>(series, windows(Part::test), evaluation);
  TrainingData batches;
  batches.name = data.name, batches.source = data.source, batches.samples = "windows";
  batches.train_size = train->size(), batches.validation_size = validation->size(), batches.test_size = test->size();
  batches.fingerprint = fingerprint_of(*series, training.size);
  batches.input = train->input();
  batches.measure = Measure::error;
  for (const Baseline& b : baselines(*series, windows(Part::test), training.size, data.series.interval))
    batches.baselines.push_back({b.name, [b] { return std::vector<Metric>{{"mse", b.mse}, {"mae", b.mae}}; }});
  batches.illustrate = [=, range = windows(Part::test)](const Predict& predict, const std::string& out) {
    return write_forecast(series, range, evaluation, predict, out);
  };
  batches.train = std::move(train), batches.validation = std::move(validation), batches.test = std::move(test);
  return batches;
}

}  // namespace weft
