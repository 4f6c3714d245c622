#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <weft/apps/support/config.hpp>
#include <weft/apps/support/exit.hpp>
#include <weft/apps/support/metrics.hpp>
#include <weft/apps/support/progress.hpp>
#include <weft/core/error.hpp>
#include <weft/core/parallel.hpp>
#include <weft/core/text.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

using namespace weft;
using oracle::ScratchFolder;

namespace {

RunOptions read(std::vector<const char*> flags, const RunOptions& defaults = {}) {
  flags.insert(flags.begin(), "bin/app");
  return read_options(static_cast<int>(flags.size()), flags.data(), defaults);
}

template <class Call>
std::string message(Call call) {
  try {
    call();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

bool says(const std::string& text, const std::string& part) {
  INFO(text);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}

std::string text_of(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("an app's defaults hold where nothing else is said") {
  const RunOptions options = read({}, {.epochs = 7, .lr = 0.25});
  CHECK(options.epochs == 7);
  CHECK(options.lr == 0.25);
  CHECK(options.out == "out/app");
  CHECK(!options.resume);
}

TEST_CASE("a switch is set by its flag, unset by --no-, and true or false in a file") {
  CHECK(read({"--flip"}).flip);
  CHECK(!read({"--no-flip"}, {.flip = true}).flip);
  CHECK(read({}, {.flip = true}).flip);
  RunOptions options;
  apply_json("{\"flip\": true}", "x.json", options);
  CHECK(options.flip);
  says(message([&] { apply_json("{\"flip\": 1}", "x.json", options); }), "it must be true or false");
}

TEST_CASE("only an app that resizes images has --side") {
  says(message([] { read({"--side", "32"}); }), "unknown flag --side");
  CHECK(read({"--side", "32"}, {.side = 64}).side == 32);
  says(message([] { read({"--side", "-1"}, {.side = 64}); }), "side is -1, it must be in [8, 1024]");
  says(message([] { read({"--side", "1025"}, {.side = 64}); }), "side is 1025");
}

TEST_CASE("an app has no flag and no key for what it lacks") {
  RunOptions options{.lacks = {"dropout"}};
  says(message([&] { read({"--dropout", "0.1"}, options); }), "unknown flag --dropout");
  says(message([&] { apply_json("{\"dropout\": 0.1}", "x.json", options); }), "unknown key \"dropout\"");
  CHECK(to_json(options).find("dropout") == std::string::npos);
  CHECK(to_json(RunOptions{}).find("dropout") != std::string::npos);
}

TEST_CASE("a flag that would do nothing beside the others is refused, an app's own value is not") {
  says(message([] { read({"--schedule", "triangle", "--warmup", "5"}); }), "warmup is 5, it must be left away: the schedule 'triangle'");
  says(message([] { read({"--fill", "reflect"}); }), "fill is reflect, it must be left away: without --shift");
  CHECK(read({"--schedule", "triangle"}, {.warmup = 100}).warmup == 100);
  CHECK(read({"--shift", "0"}, {.shift = 4, .fill = "reflect"}).fill == "reflect");
  CHECK(read({"--warmup", "5"}).warmup == 5);
  CHECK(read({"--fill", "reflect", "--shift", "2"}).fill == "reflect");
}

TEST_CASE("a path that is no text is refused, since config.json could not hold it") {
  says(message([] { read({"--out", "a\xff"}); }), "out is a\xef\xbf\xbd, it must be text in UTF-8");
  CHECK(read({"--out", "\xc3\xa4"}).out == "\xc3\xa4");
}

TEST_CASE("an app with one network has neither --model nor --width") {
  says(message([] { read({"--width", "8"}); }), "unknown flag --width");
  CHECK(read({"--width", "8"}, {.model = "resnet9", .width = 16}).width == 8);
}

TEST_CASE("a network on texts has a width of its own") {
  const RunOptions app{.model = "mean", .width = 64, .steps = 64};
  CHECK(read({"--width", "8"}, app).width == 8);
  says(message([&] { read({"--width", "0"}, app); }), "width is 0, it must be at least 1");
}

TEST_CASE("a model has its own defaults, and refuses what it has no use for") {
  const ScratchFolder folder;
  const std::string file = folder.write("c.json", R"({"model": "lstm", "batch": 8})");
  const RunOptions app{
      .epochs = 8,
      .model = "linear",
      .look_back = 512,
      .horizon = 96,
      .models = {{.epochs = 5, .dropout = 0.3, .model = "lstm", .width = 64, .look_back = 336, .horizon = 96, .layers = 1}}};
  CHECK(read({}, app).epochs == 8);
  CHECK(read({"--model", "nlinear"}, app).look_back == 512);
  CHECK(read({"--model", "lstm"}, app).epochs == 5);
  CHECK(read({"--model", "lstm"}, app).look_back == 336);
  CHECK(read({"--model", "lstm", "--look-back", "512"}, app).look_back == 512);
  CHECK(read({"--model", "lstm", "--dropout", "0"}, app).dropout == 0);
  CHECK(read({"--config", file.c_str()}, app).width == 64);
  CHECK(read({"--config", file.c_str()}, app).batch == 8);
  CHECK(read({"--config", file.c_str(), "--model", "linear"}, app).width == 0);
  for (const char* flag : {"--width", "--layers"}) {
    says(message([&] { read({flag, "2"}, app); }), "is 2, it must be left away: the model 'linear' has no hidden units");
    says(message([&] { read({"--model", "lstm", flag, "0"}, app); }), "is 0, it must be in [1, ");
  }
  says(message([&] { read({"--dropout", "0.1"}, app); }), "dropout is 0.1, it must be left away: the model 'linear'");
  says(message([&] { read({"--model", "lstm", "--layers", "17"}, app); }), "layers is 17, it must be in [1, 16]");
}

TEST_CASE("what is evaluated within an epoch is held out, never the test set") {
  CHECK(read({"--evaluations", "10", "--validation", "0.1"}).evaluations == 10);
  says(message([] { read({"--validation", "1"}); }), "it must be in [0, 1)");
}

TEST_CASE("flags win over the file, the file over defaults") {
  const ScratchFolder folder;
  const std::string file = folder.write("c.json", R"({"epochs": 3, "batch": 64, "weight_decay": 0.5})");
  const RunOptions options = read({"--batch", "32", "--config", file.c_str()}, {.epochs = 7, .lr = 0.25});
  CHECK(options.epochs == 3);
  CHECK(options.batch == 32);
  CHECK(options.weight_decay == 0.5);
  CHECK(options.lr == 0.25);
}

TEST_CASE("a resumed run begins from its own config.json") {
  const ScratchFolder folder;
  folder.write("config.json", R"({"epochs": 9, "dropout": 0.5})");
  const RunOptions resumed = read({"--resume", "--threads", "3", "--out", folder.path().c_str()});
  CHECK(resumed.epochs == 9);
  CHECK(resumed.dropout == 0.5);
  CHECK(resumed.threads == 3);
  CHECK(read({"--out", folder.path().c_str()}).epochs == 1);
}

TEST_CASE("epochs are given or fitted to a budget, not both") {
  CHECK(message([] { read({"--budget", "3", "--epochs", "5"}); }).find("--epochs excludes --budget") != std::string::npos);
}

TEST_CASE("a resumed run keeps the schedule that its budget gave") {
  const ScratchFolder folder;
  folder.write("config.json", R"({"epochs": 9, "budget": 3})");
  CHECK(read({"--resume", "--budget", "3", "--out", folder.path().c_str()}).epochs == 9);
  const std::string text = message([&] { read({"--resume", "--budget", "5", "--out", folder.path().c_str()}); });
  CHECK(text.find("budget is 5, the run began with 3") != std::string::npos);
}

TEST_CASE("a folder that the system cannot name is one clear error, with --resume too") {
  const std::string out(5000, 'x');
  const std::string text = message([&] { read({"--resume", "--out", out.c_str()}); });
  says(text, "configuration error in --out '" + out + "': the folder cannot be looked into: ");
  says(text, "hint: ");
}

TEST_CASE("damage in the run's own config.json is the file's fault and is named") {
  for (const char* text : {"{\"epochs\": ", R"({"epochs": "many"})", R"({"epochs": -3})", R"({"epoch": 3})"}) {
    const ScratchFolder folder;
    const std::string file = folder.write("config.json", text);
    std::string said;
    try {
      read({"--resume", "--out", folder.path().c_str()});
    } catch (const FormatError& error) {
      said = error.what();
    }
    says(said, file);
  }
}

TEST_CASE("config.json reads back as what was written") {
  RunOptions options = read({"--epochs", "4", "--lr", "0.1", "--seed", "18446744073709551615", "--data", "a b\"c"});
  RunOptions again;
  apply_json(to_json(options), "config.json", again);
  CHECK(to_json(again) == to_json(options));
  CHECK(again.lr == 0.1);
  CHECK(again.seed == 18446744073709551615u);
  CHECK(again.data == "a b\"c");
}

TEST_CASE("an unknown flag or key names the nearest one") {
  says(message([] { read({"--epoch", "3"}); }), "did you mean --epochs?");
  says(message([] { read({"--wieght-decay=1"}); }), "did you mean --weight-decay?");
  says(message([] { read({"--wieght-decay=1"}); }), "unknown flag --wieght-decay");
  says(message([] { read({"--wq"}); }), "hint: see --help");
  says(message([] { read({"now"}); }), "unexpected argument 'now'");
  RunOptions options;
  says(message([&] { apply_json(R"({"epoch": 3})", "c.json", options); }), "did you mean \"epochs\"?");
  says(message([&] { apply_json(R"({"epoch": 3})", "c.json", options); }), "'c.json'");
  says(message([&] { apply_json(R"({"qqqqqq": 3})", "c.json", options); }), "spelled with underscores");
  says(message([] { read({"--form", "qqqqqq"}); }), "see --form in --help");
  says(message([] { Target::parse("q>=1"); }), "the metrics are accuracy, loss, mse, mae and perplexity");
  CHECK(nearest("epoch", {"batch", "epochs"}) == "epochs");
  CHECK(nearest("abcd", {"abxy"}) == "abxy");
  CHECK(nearest("abcd", {"axyz"}).empty());
  CHECK(nearest("a", {"b"}) == "b");
  CHECK(nearest("a", {}).empty());
}

TEST_CASE("a value of the wrong type or range is named with what it must be") {
  RunOptions options;
  says(message([] { read({"--epochs", "many"}); }), "many");
  says(message([] { read({"--epochs"}); }), "--epochs");
  says(message([&] { apply_json(R"({"epochs": "many"})", "c.json", options); }), "key \"epochs\" is \"many\", it must be an integer");
  says(message([&] { apply_json(R"({"batch": 1e12})", "c.json", options); }), "batch");
  says(message([&] { apply_json(R"({"batch": 99999999999})", "c.json", options); }), "99999999999");
  says(message([&] { apply_json(R"({"seed": -1})", "c.json", options); }), "-1");
  says(message([&] { apply_json("[1]", "c.json", options); }), "not a JSON object");
  says(message([&] { apply_json("{\"epochs\": ", "c.json", options); }), "not a JSON object");
  says(message([] { read({"--config", "/nonexistent.json"}); }), "cannot be read");
  says(message([] { read({"--batch", "0"}); }), "batch is 0, it must be at least 1");
  says(message([] { read({"--density", "1.5"}); }), "density is 1.5, it must be in (0, 1]");
  says(message([] { read({"--dropout", "1"}); }), "dropout is 1");
  says(message([] { read({"--lr", "nan"}); }), "lr is nan");
  says(message([] { read({"--weight-decay", "inf"}); }), "weight_decay is inf");
  says(message([] { read({"--clip", "inf"}); }), "clip is inf");
  says(message([] { read({"--clip", "nan"}); }), "clip is nan");
  says(message([] { read({"--seed", "-1"}); }), "-1, it must be an integer of at least 0");
  for (const char* seed : {"99999999999999999999", "18446744073709551616", "1.5", "7x"})
    says(message([&] {
           read({"--seed", seed});
         }),
         cat("is ", seed, ", it must be an integer of at least 0 and at most 18446744073709551615"));
  says(message([] { read({"--threads", "100000"}); }), "threads is 100000, it must be in [0, 1024]");
  says(message([] { set_threads(1025); }), "1025 threads asked for");
  says(message([] { set_threads(0); }), "0 threads asked for");
  says(message([] { read({"--form", "sparce"}); }), "did you mean sparse?");
  says(message([] { read({"--schedule", "cosin"}); }), "constant, step, linear, cosine, triangle or one-cycle");
  says(message([] { read({"--lanes", "8"}); }), "lanes is '8'");
  CHECK(read({"--lr", "1e30"}).lr == 1e30);
}

TEST_CASE("a target is read, met and missed") {
  const Target target = Target::parse("accuracy>=0.99");
  CHECK(target.metric == "accuracy");
  CHECK(target.met_by(0.99));
  CHECK(!target.met_by(0.9899));
  for (const char* text : {"accuracy>=0", "accuracy<1", "loss<=1", "loss>0"}) CHECK(!Target::parse(text).met_by(Tally{}.mean_loss()));
  CHECK(Target::parse("loss<0.5").met_by(0.4));
  CHECK(!Target::parse("loss<0.5").met_by(0.5));
  CHECK(Target::parse("loss<=0.5").met_by(0.5));
  CHECK(!Target::parse("loss>0.5").met_by(0.5));
  says(message([] { Target::parse("acuracy>=1"); }), "did you mean accuracy?");
  says(message([] { Target::parse("accuracy=1"); }), "relation is '='");
  says(message([] { Target::parse("accuracy>=high"); }), "'high' is no number");
  says(message([] { Target::parse("accuracy>=0.9x"); }), "'0.9x' is no number");
  says(message([] { Target::parse("accuracy"); }), "relation is ''");
  says(message([] { read({"--target", "accuracy>="}); }), "no number");
}

TEST_CASE("every kind of error has its exit code") {
  CHECK(guarded([] { return 3; }) == 3);
  CHECK(guarded([]() -> int { throw Exit{0}; }) == 0);
  CHECK(guarded([]() -> int { throw ConfigError({.what = "c"}); }) == 1);
  CHECK(guarded([]() -> int { throw ShapeError({.what = "s"}); }) == 1);
  CHECK(guarded([]() -> int { throw UsageError({.what = "u"}); }) == 1);
  CHECK(guarded([]() -> int { throw FormatError({.what = "f"}); }) == 2);
  CHECK(guarded([]() -> int { throw NumericError({.what = "n"}); }) == 4);
  CHECK(guarded([]() -> int { throw DeviceError({.what = "d"}); }) == 5);
  CHECK(guarded([]() -> int { throw OutOfMemory({.what = "o"}); }) == 5);
  CHECK(guarded([]() -> int { throw std::bad_alloc(); }) == 5);
}

TEST_CASE("metrics are whole JSON lines, and a resumed file keeps only what the checkpoint knows") {
  const ScratchFolder folder;
  const std::string path = folder.path() + "/metrics.jsonl";
  const Tally tally{.loss = 5, .targets = 10, .correct = 9, .samples = 20, .seconds = 4};
  {
    MetricsFile file(path, 0);
    for (int epoch = 1; epoch <= 3; ++epoch) file.append(tally.metrics(epoch, "test", Measure::accuracy));
    CHECK(file.lines() == 3);
  }
  const std::string line = R"({"epoch":1,"split":"test","loss":0.5,"accuracy":0.9,"seconds":4.0,"samples_per_second":5.0})";
  CHECK(text_of(path).substr(0, line.size() + 1) == line + "\n");
  MetricsFile kept(path, 1);
  CHECK(text_of(path) == line + "\n");
  kept.append(tally.metrics(2, "test", Measure::accuracy));
  CHECK(kept.lines() == 2);
  const std::string two = text_of(path);
  CHECK_THROWS_AS(MetricsFile(path, 3), FormatError);
  CHECK_THROWS_AS(check_metrics(path, 3), FormatError);
  CHECK_NOTHROW(check_metrics(path, 2));
  CHECK_NOTHROW(check_metrics(folder / "absent", 0));
  CHECK_THROWS_AS(check_metrics(folder / "absent", 1), FormatError);
  CHECK(text_of(path) == two);
  MetricsFile fresh(path, 0);
  CHECK(text_of(path).empty());
  CHECK_THROWS_AS(MetricsFile(folder.path() + "/none/metrics.jsonl", 0), FormatError);
}

TEST_CASE("progress prints times and bars that read well") {
  CHECK(clock_text(7.4) == "0:07");
  CHECK(clock_text(725) == "12:05");
  CHECK(clock_text(3723) == "1:02:03");
  CHECK(clock_text(-1) == "0:00");
  CHECK(bar(0, 4) == "[>   ]");
  CHECK(bar(0.5, 4) == "[==> ]");
  CHECK(bar(1, 4) == "[====]");
  CHECK(bar(2, 4) == "[====]");
}
