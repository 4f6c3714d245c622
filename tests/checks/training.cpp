// Whole trainings in one process: the same losses on any number of threads, and no option of the trainer without effect.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <weft/apps/support/image_batches.hpp>
#include <weft/apps/support/trainer.hpp>
#include <weft/autograd/ops.hpp>
#include <weft/core/parallel.hpp>
#include <weft/core/random.hpp>
#include <weft/layers/conv.hpp>
#include <weft/layers/dropout.hpp>
#include <weft/layers/linear.hpp>
#include <weft/layers/norm.hpp>
#include <weft/layers/pool.hpp>
#include <weft/tests/checks/team_size.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

using namespace weft;

namespace {

/// Images of 12x12 pixels whose class is the quarter that is bright.
ImageSet bright_quarters(std::int64_t size, std::uint64_t stream) {
  ImageSet set{.lattice = {12, 12, 1}, .classes = 4, .size = size, .pixels = {}, .labels = {}};
  const Random draws(3, stream);
  for (std::int64_t i = 0; i < size; ++i) {
    set.labels.push_back(static_cast<std::int32_t>(i % 4));
    for (int p = 0; p < 144; ++p) {
      const bool bright = (p / 72) * 2 + p % 12 / 6 == i % 4;
      set.pixels.push_back(static_cast<std::uint8_t>(draws.below(static_cast<std::uint64_t>(i * 144 + p), 180) + (bright ? 75 : 0)));
    }
  }
  return set;
}

struct Net {
  Conv2d c1;
  BatchNorm n1;
  MaxPool2d p1;
  Conv2d c2;
  Dropout drop;
  Linear head;

  explicit Net(const Scope& s)
      : c1(s / "c1", {12, 12, 1}, 16, {.pad = 1}),
        n1(s / "n1", c1.out()),
        p1(s / "p1", c1.out(), {.kernel = 2}),
        c2(s / "c2", p1.out(), 16, {.pad = 1}),
        drop(s / "drop", 0.1),
        head(s / "head", c2.out().size(), 4) {}
  Var operator()(Var x) const { return x | c1 | n1 | relu | p1 | c2 | relu | flatten | drop | head; }
};

RunOptions base() {
  RunOptions o{.epochs = 2, .batch = 80, .lr = 1e-2, .shift = 1};
  o.quiet = true;
  return o;
}

/// What metrics.jsonl holds after a training, less what a clock measured.
std::string metrics_of(RunOptions options) {
  const oracle::ScratchFolder folder;
  options.out = folder.path();
  static const ImageData data{.name = "quarters", .source = "this test", .train = bright_quarters(200, 1), .test = bright_quarters(60, 2)};
  ParamStore params({}, options.seed);
  const Net net(Scope{params});
  const Model model{[&net](Var x, Carried&) { return net(x); },
                    [](Var logits, const Tensor& targets) { return cross_entropy(logits, targets); }, &params};
  const TrainingData batches = image_batches(data, options);
  Trainer(model, batches, options, Progress::Style::none).fit();
  std::string text;
  std::ifstream in(options.out + "/metrics.jsonl");
  for (std::string line; std::getline(in, line);) {
    nlohmann::json json = nlohmann::json::parse(line);
    json.erase("seconds");
    json.erase("samples_per_second");
    text += json.dump() + "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("losses have equal bits with 1, 2 and 7 threads") {
  const int before = threads();
  std::string alone;
  for (const int team : {1, 2, 7}) {
    set_threads(team);
    REQUIRE(checks::team_size() == team);
    const std::string metrics = metrics_of(base());
    CHECK(metrics.find("\"loss\"") != std::string::npos);
    if (team == 1) alone = metrics;
    CHECK(metrics == alone);
  }
  set_threads(before);
}

TEST_CASE("every option of the trainer changes what is trained") {
  const std::string unchanged = metrics_of(base());
  REQUIRE(metrics_of(base()) == unchanged);
  const std::vector<std::pair<std::string, std::function<void(RunOptions&)>>> changes = {
      {"epochs", [](RunOptions& o) { o.epochs = 1; }},
      {"batch", [](RunOptions& o) { o.batch = 50; }},
      {"drop_last", [](RunOptions& o) { o.drop_last = true; }},
      {"lr", [](RunOptions& o) { o.lr = 2e-2; }},
      {"optimizer", [](RunOptions& o) { o.optimizer = "sgd"; }},
      {"schedule step", [](RunOptions& o) { o.schedule = "step"; }},
      {"schedule constant", [](RunOptions& o) { o.schedule = "constant"; }},
      {"schedule linear", [](RunOptions& o) { o.schedule = "linear"; }},
      {"schedule triangle", [](RunOptions& o) { o.schedule = "triangle"; }},
      {"schedule one-cycle", [](RunOptions& o) { o.schedule = "one-cycle"; }},
      {"warmup", [](RunOptions& o) { o.warmup = 2; }},
      {"weight_decay", [](RunOptions& o) { o.weight_decay = 0.5; }},
      {"clip", [](RunOptions& o) { o.clip = 1e-3; }},
      {"shift", [](RunOptions& o) { o.shift = 0; }},
      {"cutout", [](RunOptions& o) { o.cutout = 0.25; }},
      {"fill", [](RunOptions& o) { o.fill = "reflect"; }},
      {"flip", [](RunOptions& o) { o.flip = true; }},
      {"seed", [](RunOptions& o) { o.seed = 43; }},
      {"lanes", [](RunOptions& o) { o.lanes = "1"; }},
  };
  for (const auto& change : changes) {
    INFO(change.first);
    RunOptions options = base();
    change.second(options);
    CHECK(metrics_of(options) != unchanged);
  }
}

TEST_CASE("the flip average is measured once, after the last epoch") {
  RunOptions options = base();
  options.flip = true;
  const std::string metrics = metrics_of(options);
  const std::size_t at = metrics.find("test, flip average");
  CHECK(at != std::string::npos);
  CHECK(metrics.find("test, flip average", at + 1) == std::string::npos);
  CHECK(metrics.find("\"epoch\":2") < at);
}

TEST_CASE("a time budget sets the epochs and leaves no other trace") {
  const oracle::ScratchFolder folder;
  static const ImageData data{.name = "quarters", .source = "this test", .train = bright_quarters(200, 1), .test = bright_quarters(60, 2)};
  const auto train = [&](RunOptions options, bool fitted) {
    options.out = folder.path();
    ParamStore params({}, options.seed);
    const Net net(Scope{params});
    const Model model{[&net](Var x, Carried&) { return net(x); },
                      [](Var logits, const Tensor& targets) { return cross_entropy(logits, targets); }, &params};
    const TrainingData batches = image_batches(data, options);
    Trainer trainer(model, batches, options, Progress::Style::none);
    int epochs = options.epochs;
    if (fitted) epochs = trainer.fit_to_budget();
    return std::make_pair(epochs, trainer.fit().position.test.mean_loss());
  };
  RunOptions options = base();
  options.budget = 1e-9;  // less than an epoch: one is trained all the same
  const auto [epochs, loss] = train(options, true);
  CHECK(epochs == 1);
  options.epochs = 1;
  CHECK(train(options, false).second == loss);
}

TEST_CASE("a time budget divides the minutes by what an epoch takes") {
  CHECK(epochs_within(4, 10) == 22);  // 228 of 240 seconds
  CHECK(epochs_within(4, 228) == 1);
  CHECK(epochs_within(4, 1000) == 1);
  CHECK(epochs_within(1, 57.0 / 9) == 9);

  const oracle::ScratchFolder folder;
  const ImageData data{.name = "quarters", .source = "this test", .train = bright_quarters(200, 1), .test = bright_quarters(60, 2)};
  RunOptions options = base();
  options.out = folder.path();
  options.budget = 0.01;
  ParamStore params({}, options.seed);
  const Net net(Scope{params});
  const auto slowly = [](Var logits, const Tensor& targets) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // of every step, on any machine
    return cross_entropy(logits, targets);
  };
  const TrainingData batches = image_batches(data, options);
  Trainer trainer({[&net](Var x, Carried&) { return net(x); }, slowly, &params}, batches, options, Progress::Style::none);
  const int most = epochs_within(options.budget, 3 * 0.020);  // three batches
  CHECK(trainer.fit_to_budget() <= most);
  CHECK(std::filesystem::is_empty(folder.path()));  // a kill meanwhile leaves nothing to resume
}
