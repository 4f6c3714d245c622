#include <doctest/doctest.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include <weft/apps/support/image_batches.hpp>
#include <weft/apps/support/trainer.hpp>
#include <weft/autograd/ops.hpp>
#include <weft/core/error.hpp>
#include <weft/core/parallel.hpp>
#include <weft/core/random.hpp>
#include <weft/core/text.hpp>
#include <weft/layers/conv.hpp>
#include <weft/layers/dropout.hpp>
#include <weft/layers/linear.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

using namespace weft;
using oracle::ScratchFolder;

namespace {

/// Images of 6x6 pixels whose class is the row that is bright.
ImageSet bright_rows(std::int64_t size, std::uint64_t stream) {
  ImageSet set{.lattice = {6, 6, 1}, .classes = 6, .size = size};
  const Random draws(3, stream);
  for (std::int64_t i = 0; i < size; ++i) {
    const std::int32_t label = static_cast<std::int32_t>(i % 6);
    set.labels.push_back(label);
    for (int p = 0; p < 36; ++p)
      set.pixels.push_back(
          static_cast<std::uint8_t>(draws.below(static_cast<std::uint64_t>(i * 36 + p), 100) + (p / 6 == label ? 150 : 0)));
  }
  return set;
}

const ImageData& data() {
  static const ImageData made{.name = "bright rows", .source = "this test", .train = bright_rows(190, 1), .test = bright_rows(60, 2)};
  return made;
}

struct SmallNet {
  Conv2d c1;
  Dropout drop;
  Linear head;
  explicit SmallNet(const Scope& s) : c1(s / "c1", {6, 6, 1}, 5, {.pad = 1}), drop(s / "drop", 0.2), head(s / "head", c1.out().size(), 6) {}
  Var operator()(Var x) const { return x | c1 | relu | flatten | drop | head; }
};

RunOptions options_in(const ScratchFolder& folder, bool resume = false) {
  RunOptions options{.epochs = 3, .batch = 32, .lr = 1e-2, .warmup = 2, .shift = 1};
  options.checkpoint_every = 2;
  options.out = folder.path();
  options.resume = resume;
  options.quiet = true;
  return options;
}

/// Trains the small net; `each_step` sees the number of forward passes so far and may change a parameter.
FitResult train(const RunOptions& options, const std::function<void(int call, SmallNet& net)>& each_step = nullptr,
                const ImageData& images = data()) {
  ParamStore params({}, options.seed);
  SmallNet net(Scope{params});
  int calls = 0;
  const Model model{[&](Var x, Carried&) {
                      if (each_step) each_step(calls, net);
                      ++calls;
                      return net(x);
                    },
                    [](Var logits, const Tensor& targets) { return cross_entropy(logits, targets); }, &params};
  const TrainingData batches = image_batches(images, options);
  Trainer trainer(model, batches, options, Progress::Style::none);
  return trainer.fit();
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// metrics.jsonl without what a clock measured.
std::vector<nlohmann::json> metrics_of(const ScratchFolder& folder) {
  std::vector<nlohmann::json> lines;
  std::ifstream in(folder.path() + "/metrics.jsonl");
  for (std::string line; std::getline(in, line);) {
    lines.push_back(nlohmann::json::parse(line));
    lines.back().erase("seconds");
    lines.back().erase("samples_per_second");
  }
  return lines;
}

/// The arrays of a checkpoint, without its clock.
std::string arrays_of(const ScratchFolder& folder) {
  const std::string file = bytes_of(folder.path() + "/last.safetensors");
  std::uint64_t header = 0;
  std::memcpy(&header, file.data(), sizeof header);
  return file.substr(8 + header);
}

std::string numeric_error(const RunOptions& options, const std::function<void(int, SmallNet&)>& each_step = nullptr) {
  try {
    train(options, each_step);
  } catch (const NumericError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace

TEST_CASE("a small network learns, and each epoch leaves two lines of metrics") {
  const ScratchFolder folder;
  RunOptions options = options_in(folder);
  options.epochs = 20;
  options.shift = 0;  // a row moved is another class
  const FitResult result = train(options);
  CHECK(!result.interrupted);
  CHECK(result.position.epoch == 20);
  CHECK(result.position.test.accuracy() > 0.9);
  const std::vector<nlohmann::json> lines = metrics_of(folder);
  REQUIRE(lines.size() == 40);
  CHECK(lines[0]["split"] == "train");
  CHECK(lines[39]["split"] == "test");
  CHECK(lines[39]["epoch"] == 20);
  CHECK(lines[39]["accuracy"] == result.position.test.accuracy());
  CHECK(lines[0]["loss"].get<double>() > lines[38]["loss"].get<double>());
}

TEST_CASE("an interrupted run resumed with other threads ends with the same bits") {
  const ScratchFolder whole, parts;
  set_threads(1);
  train(options_in(whole));
  int interrupts = 0;
  for (const int at : {1, 4, 9, 3, 8}) {  // forward passes after which the user presses Ctrl-C, evaluation included
    set_threads(1 + at % 3);
    const FitResult result = train(options_in(parts, true), [&](int call, SmallNet&) {
      if (call == at) std::raise(SIGINT);
    });
    interrupts += result.interrupted ? 1 : 0;
  }
  set_threads(7);
  const FitResult last = train(options_in(parts, true));
  set_threads(1);
  CHECK(interrupts >= 3);
  CHECK(!last.interrupted);
  CHECK(metrics_of(parts) == metrics_of(whole));
  CHECK(arrays_of(parts) == arrays_of(whole));
}

TEST_CASE("evaluations within an epoch change nothing of the training, and a resumed run makes each once") {
  ImageData images = data();
  images.validation = hold_out(images.train, 0.2);
  const auto options = [](const ScratchFolder& folder, int evaluations, bool resume = false) {
    RunOptions o = options_in(folder, resume);
    o.evaluations = evaluations;
    return o;
  };
  const ScratchFolder without, whole, parts;
  CHECK_THROWS_WITH_AS(train(options(without, 4)), doctest::Contains("give --validation"), ConfigError);
  train(options(without, 0), nullptr, images);
  train(options(whole, 4), nullptr, images);
  for (const int at : {1, 4, 7, 3}) {
    train(
        options(parts, 4, true),
        [&](int call, SmallNet&) {
          if (call == at) std::raise(SIGINT);
        },
        images);
  }
  train(options(parts, 4, true), nullptr, images);
  CHECK(arrays_of(whole) == arrays_of(without));
  CHECK(arrays_of(parts) == arrays_of(whole));
  CHECK(metrics_of(parts) == metrics_of(whole));
  std::vector<double> evaluated;
  std::string splits;
  for (const nlohmann::json& line : metrics_of(whole)) {
    if (line["split"] == "validation, part") evaluated.push_back(line["epoch"]);
    else splits += line["split"].get<std::string>() + " ";
  }
  CHECK(splits == "train validation train validation train validation test ");
  REQUIRE(evaluated.size() == 12);  // five batches an epoch
  CHECK(evaluated[0] == doctest::Approx(2 / 5.0));
  CHECK(evaluated[3] == 1);
  CHECK(evaluated[11] == 3);
}

TEST_CASE("what a killed run wrote after its checkpoint is written anew") {
  const ScratchFolder whole, parts;
  train(options_in(whole));
  RunOptions first = options_in(parts);
  first.schedule = "constant";
  RunOptions reference = options_in(whole);
  reference.schedule = "constant";
  train(reference);
  first.epochs = 1;
  train(first);
  std::ofstream(parts.path() + "/metrics.jsonl", std::ios::app) << "{\"epoch\":2,\"split\":\"train\",\"lo";
  RunOptions second = options_in(parts, true);
  second.schedule = "constant";
  train(second);
  CHECK(metrics_of(parts) == metrics_of(whole));
  CHECK(arrays_of(parts) == arrays_of(whole));
}

TEST_CASE("a parameter that turns NaN is named with its op and layer, and the last checkpoint stays") {
  const ScratchFolder folder;
  const std::string text = numeric_error(options_in(folder), [](int call, SmallNet& net) {
    if (call >= 5) net.head.weight()->value.data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  });
  INFO(text);
  CHECK(text.find("numeric error") != std::string::npos);
  CHECK(text.find("'head'") != std::string::npos);
  const FitResult resumed = train(options_in(folder, true));
  CHECK(resumed.position.epoch == 3);
  const ScratchFolder whole;
  train(options_in(whole));
  CHECK(arrays_of(folder) == arrays_of(whole));
}

TEST_CASE("a learning rate that blows up ends in a numeric error with a checkpoint that loads") {
  const ScratchFolder folder;
  RunOptions options = options_in(folder);
  options.lr = 1e30;
  options.warmup = 0;
  const std::string text = numeric_error(options);
  INFO(text);
  CHECK(text.find("numeric error") != std::string::npos);
  options.resume = true;
  options.epochs = 0;
  CHECK(train(options).position.epoch == 0);
}

TEST_CASE("options that do not fit the checkpoint are refused") {
  const ScratchFolder folder;
  RunOptions options = options_in(folder);
  options.epochs = 1;
  train(options);
  options.resume = true;
  options.seed = 43;
  CHECK_THROWS_AS(train(options), ConfigError);
  options.seed = 42;
  options.batch = 16;
  CHECK_THROWS_AS(train(options), ConfigError);
}

TEST_CASE("another batch size or data set is refused with what differs, also where the number of batches is the same") {
  const ScratchFolder folder;
  RunOptions options = options_in(folder);
  options.epochs = 1;
  train(options);
  options.resume = true;
  options.epochs = 2;
  const std::string kept = bytes_of(folder / "last.safetensors"), metrics = bytes_of(folder / "metrics.jsonl");
  const auto refusal = [&](const RunOptions& asked, const ImageData& images) {
    try {
      train(asked, nullptr, images);
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("nothing was thrown");
  };
  RunOptions other_batch = options;
  other_batch.batch = 33;
  ImageData fewer = data(), relabelled = data();
  fewer.train = bright_rows(189, 1);
  std::swap(relabelled.train.labels[0], relabelled.train.labels[1]);
  const auto names = [&](const std::string& text, const std::string& part) {
    CHECK_MESSAGE(text.find(part) != std::string::npos, text);
    CHECK(text.find("hint: resume with the same data and --batch") != std::string::npos);
  };
  names(refusal(other_batch, data()), "batch is 33, the checkpoint was made with 32");
  names(refusal(options, fewer), "the training set has 189 samples, in the checkpoint's run it had 190");
  names(refusal(options, relabelled), "the training data have the hash ");
  CHECK(bytes_of(folder / "last.safetensors") == kept);
  CHECK(bytes_of(folder / "metrics.jsonl") == metrics);
  CHECK(train(options).position.epoch == 2);
}

TEST_CASE("a run that ended with a flip average goes on") {
  const ScratchFolder folder;
  RunOptions options = options_in(folder);
  options.epochs = 1;
  options.flip = true;
  train(options);
  options.resume = true;
  options.epochs = 2;
  CHECK(train(options).position.metrics_lines == 6);
}

TEST_CASE("schedules are what their names say") {
  RunOptions options{.lr = 0.5, .schedule = "constant", .warmup = 10};
  CHECK(schedule_of(options, 100)(99, 100) == 0.5);
  options.schedule = "step";
  CHECK(schedule_of(options, 99)(0, 99) == 0.5);
  CHECK(schedule_of(options, 99)(98, 99) == doctest::Approx(0.005));
  for (const char* name : {"linear", "cosine"}) {
    options.schedule = name;
    const Schedule lr = schedule_of(options, 100);
    CHECK(lr(0, 100) < 0.1);
    CHECK(lr(10, 100) == doctest::Approx(0.5));
    CHECK(lr(99, 100) < 0.01);
  }
}

TEST_CASE("images are normalised by the training set's own mean and deviation") {
  ImageSet set{.lattice = {1, 2, 1}, .classes = 1, .size = 1, .pixels = {0, 255}, .labels = {0}};
  const LoaderOptions loader = loader_options({}, set);
  CHECK(loader.mean == std::vector<float>{0.5F});
  CHECK(loader.std == std::vector<float>{0.5F});
}

TEST_CASE("correct answers are counted over valid columns only") {
  const ColumnsPtr columns = sample_columns(17);
  std::vector<float> logits(3 * 17);
  std::vector<std::int32_t> targets(17);
  for (int n = 0; n < 17; ++n) {
    logits[static_cast<std::size_t>((n % 3) * 17 + n)] = 1;
    targets[static_cast<std::size_t>(n)] = n < 5 ? (n + 1) % 3 : n % 3;
  }
  CHECK(count_correct(pack_rows(logits, {3}, columns), pack_rows(targets, {1}, columns)) == 12);
}

TEST_CASE("errors are summed over valid columns only, and each measure has its names") {
  const ColumnsPtr columns = sample_columns(17);
  const Tensor found = pack_rows(std::vector<double>(2 * 17, 1.5), {2}, columns),
               wanted = pack_rows(std::vector<double>(2 * 17, 1), {2}, columns);
  Tally tally{.loss = 3, .targets = 34};
  add_measure(tally, Measure::error, found, wanted);
  CHECK(value_of("mse", tally, Measure::error) == doctest::Approx(0.25));
  CHECK(value_of("mae", tally, Measure::error) == doctest::Approx(0.5));
  CHECK(value_of("loss", tally, Measure::error) == doctest::Approx(3.0 / 34));
  CHECK(std::isnan(value_of("accuracy", tally, Measure::error)));
  CHECK(value_of("perplexity", tally, Measure::perplexity) == doctest::Approx(std::exp(3.0 / 34)));
  CHECK(text_of(tally, Measure::error) == "loss 0.0882  mse 0.2500  mae 0.5000");
}

namespace {

/// Five batches an epoch of 17 streams, the same in every epoch.
class Streams final : public Batches {
 public:
  std::int64_t batches() const override { return 5; }
  void begin(std::int64_t, std::int64_t first_batch) override { at_ = first_batch; }
  bool next(Batch& out) override {
    if (at_ >= batches()) return false;
    const Random draws(11, 0);
    const ColumnsPtr columns = sample_columns(17);
    std::vector<float> x(3 * 17), y(17);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(draws.uniform(static_cast<std::uint64_t>(at_) * 100 + i));
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = x[i] - x[17 + i];
    out = {pack_rows(x, {3}, columns), pack_rows(y, {1}, columns)};
    ++at_;
    return true;
  }

 private:
  std::int64_t at_ = 5;
};

struct Killed {};

/// Trains a net whose prediction adds half of the last one, in three epochs; killed at call `killed_at` of the loss.
std::string train_streams(const ScratchFolder& folder, bool resume, int killed_at) {
  RunOptions options{.epochs = 3, .batch = 17, .lr = 1e-2};
  options.checkpoint_every = 2, options.out = folder.path(), options.resume = resume, options.quiet = true;
  TrainingData data;
  data.train_size = 85, data.test_size = 85, data.input = {3}, data.measure = Measure::error;
  data.train = std::make_unique<Streams>(), data.test = std::make_unique<Streams>();
  ParamStore params({}, options.seed);
  const Linear linear(Scope{params} / "linear", 3, 1);
  int calls = 0;
  const Model model{[&](Var x, Carried& carried) {
                      Var y = linear(x);
                      if (!carried.empty()) y = y + 0.5 * x.tape().input(carried[0]);
                      carried = {y.value().clone()};
                      return y;
                    },
                    [&](Var y, const Tensor& wanted) {
                      if (calls++ == killed_at) throw Killed();
                      return mse(y, wanted);
                    },
                    &params};
  Trainer trainer(model, data, options, Progress::Style::none);
  std::string text;
  try {
    trainer.fit();
  } catch (const Killed&) {
    return "killed";
  }
  for (const nlohmann::json& line : metrics_of(folder)) text += cat(line["split"].dump(), line["mse"].dump(), line["mae"].dump(), "\n");
  return text;
}

}  // namespace

TEST_CASE("what a network carries from batch to batch begins anew with each epoch and survives a kill") {
  const ScratchFolder whole, cut;
  const std::string expected = train_streams(whole, false, -1);
  CHECK(expected.find("mse") == std::string::npos);
  CHECK(std::count(expected.begin(), expected.end(), '\n') == 6);
  CHECK(train_streams(cut, false, 13) == "killed");  // the fourth batch of the second epoch: 5 + 5 of a test + 3 before it
  CHECK(read_checkpoint(cut.path() + "/last.safetensors").carried.size() == 1);
  CHECK(train_streams(cut, true, -1) == expected);
}
