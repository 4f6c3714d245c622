// The table of the experiment: its statistics and verdicts, and the program that fills it, killed and called again.
#include <doctest/doctest.h>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <weft/apps/paper/table.hpp>
#include <weft/core/error.hpp>
#include <weft/data/program.hpp>
#include <weft/tests/checks/square_images.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

using namespace weft;
using namespace weft::paper;
using oracle::file_bytes;
using oracle::ScratchFolder;

namespace {

const std::string kPaper = std::string(WEFT_BIN) + "/paper";

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// A training whose curve rises to `best` at each of the epochs given by `at` and falls short before.
Outcome outcome(const std::string& form, int seed, double accuracy, double best, double at) {
  Outcome o;
  o.cell = {.form = form, .density = 1, .seed = seed};
  o.data = "CIFAR-10";
  o.samples = "images";
  o.train_size = 45'000, o.validation_size = 5'000, o.test_size = 10'000;
  o.value = accuracy;
  o.parameters = form == "untied" ? 2000 : 1000;
  o.epochs = 9;
  o.curve = {{at / 2, 0.5 * best}, {at, best}, {9, best}};
  return o;
}

std::vector<Outcome> outcomes(const std::string& form, const std::vector<double>& accuracies, double at) {
  std::vector<Outcome> all;
  for (std::size_t i = 0; i < accuracies.size(); ++i)
    all.push_back(outcome(form, kFirstSeed + static_cast<int>(i), accuracies[i], 0.8, at));
  return all;
}

}  // namespace

TEST_CASE("mean and sample deviation, the latter from three values on") {
  CHECK(spread({2, 4}).mean == 3);
  CHECK(!spread({2, 4}).deviation);
  CHECK(*spread({1, 2, 6}).deviation == doctest::Approx(std::sqrt(7.0)));
}

TEST_CASE("the target is native's best value less two per cent of it") {
  const Outcome native = outcome("native", 42, 0.8, 0.8, 4);
  CHECK(*epochs_to_target(native, native) == 4);
  CHECK(*epochs_to_target(outcome("untied", 42, 0.8, 0.7841, 3), native) == 3);
  CHECK(!epochs_to_target(outcome("untied", 42, 0.8, 0.7839, 3), native));
}

TEST_CASE("with one seed quality is judged by two per cent, with three by the interval of paired differences") {
  const std::vector<Outcome> native = outcomes("native", {0.8}, 4);
  CHECK(compare(outcomes("untied", {0.785}, 4), native).quality == "matches");
  CHECK(compare(outcomes("untied", {0.783}, 4), native).quality == "below");
  CHECK(compare(outcomes("untied", {0.817}, 4), native).quality == "exceeds");
  CHECK(!compare(outcomes("untied", {0.817}, 4), native).interval);

  const std::vector<Outcome> three = outcomes("native", {0.80, 0.81, 0.79}, 4);
  const Verdict better = compare(outcomes("untied", {0.81, 0.82, 0.801}, 4), three);  // +0.010, +0.010, +0.011
  CHECK(better.quality == "matches");                                                 // above zero, but by less than two per cent
  CHECK(*better.interval == doctest::Approx(4.303 * 0.00057735 / std::sqrt(3.0)).epsilon(1e-3));
  CHECK(compare(outcomes("untied", {0.83, 0.84, 0.821}, 4), three).quality == "exceeds");
  CHECK(compare(outcomes("untied", {0.75, 0.76, 0.739}, 4), three).quality == "below");
  CHECK(compare(outcomes("untied", {0.81, 0.80, 0.795}, 4), three).quality == "undecided");
  CHECK(compare(outcomes("untied", {0.6, 0.9, 0.3}, 4), three).quality == "undecided");
}

TEST_CASE("epochs are fewer, comparable within a tenth, or more") {
  const std::vector<Outcome> native = outcomes("native", {0.8, 0.8}, 4);
  CHECK(compare(outcomes("untied", {0.8, 0.8}, 3.5), native).epochs == "fewer");
  CHECK(compare(outcomes("untied", {0.8, 0.8}, 4.3), native).epochs == "comparable");
  CHECK(compare(outcomes("untied", {0.8, 0.8}, 5), native).epochs == "more");
  const auto of_three = [](const char* form, const std::vector<double>& at) {
    std::vector<Outcome> three;
    for (std::size_t i = 0; i < at.size(); ++i) three.push_back(outcome(form, kFirstSeed + static_cast<int>(i), 0.8, 0.8, at[i]));
    return three;
  };
  const std::vector<Outcome> three = of_three("native", {4, 4, 4});
  CHECK(compare(of_three("untied", {4.1, 3.9, 4}), three).epochs == "comparable");
  CHECK(compare(of_three("untied", {5, 5.1, 5.2}), three).epochs == "more");
  CHECK(compare(of_three("untied", {3, 3.1, 2.9}), three).epochs == "fewer");
  CHECK(compare(of_three("untied", {3, 5, 7}), three).epochs == "undecided");
  CHECK(compare(of_three("untied", {3, 5, 7}), three).epochs_interval->first < 1);
  std::vector<Outcome> once = outcomes("untied", {0.8, 0.8}, 3);
  once[1] = outcome("untied", 43, 0.8, 0.1, 3);
  CHECK(compare(once, native).epochs == "not reached");
  std::vector<Outcome> longer = outcomes("untied", {0.8, 0.8}, 5);
  for (Outcome& o : longer) o.epochs = 12;
  CHECK_THROWS_AS(compare(longer, native), UsageError);  // of another schedule
  CHECK_THROWS_AS(compare({native[1], native[0]}, native), UsageError);
  CHECK_THROWS_AS(compare(once, {}), UsageError);
  CHECK_THROWS_AS(compare(once, outcomes("native", {0.8}, 4)), UsageError);
}

TEST_CASE("of errors and perplexities less is better") {
  std::vector<Outcome> native{outcome("native", 42, 100, 100, 4)}, form{outcome("untied", 42, 97, 101.9, 3)};
  native[0].metric = form[0].metric = Metric::perplexity;
  native[0].curve = {{2, 200}, {4, 100}, {6, 101}}, form[0].curve = {{1, 150}, {3, 101.9}, {6, 99}};
  CHECK(*epochs_to_target(form[0], native[0]) == 3);
  CHECK(*epochs_to_target(native[0], native[0]) == 4);
  CHECK(compare(form, native).quality == "exceeds");
  CHECK(compare(form, native).difference == 3);
  form[0].value = 103;
  CHECK(compare(form, native).quality == "below");
  form[0].value = 101;
  CHECK(compare(form, native).quality == "matches");
}

TEST_CASE("the table marks partial data and says what is missing") {
  Section section{.benchmark = benchmarks()[1], .minutes = 4, .seeds = 1};
  section.forms["native"] = outcomes("native", {0.8}, 4);
  section.forms["sparse"] = outcomes("sparse", {0.81}, 4);
  section.trouble = "the app ended with exit code 4";
  CHECK(has(to_markdown({section}), "CIFAR-10: 2 of 3 trainings finished: the app ended with exit code 4"));
  CHECK(!has(to_markdown({section}), "partial data"));
  section.forms["untied"] = outcomes("untied", {0.7}, 4);
  section.forms["untied"][0].train_size = 9'000, section.forms["untied"][0].validation_size = 1'000;
  const std::string text = to_markdown({section});
  CHECK(has(text, "CIFAR-10, *partial data*: 10000 of 50000 training images"));
  CHECK(!has(text, "| CIFAR-10 | untied | 1 | below"));  // of other data than native's
  CHECK(has(text, "| CIFAR-10 | sparse | 1 | matches | +1.00 points | comparable | 1.00 |"));
  CHECK(!has(text, "Not finished"));
  section.forms["untied"] = outcomes("untied", {0.7}, 4);
  CHECK(has(to_markdown({section}), "| CIFAR-10 | untied | 1 | below | -10.00 points |"));
  CHECK(!has(to_markdown({section}), "untied (same)"));
  section.forms["untied"][0].parameters = section.forms["sparse"][0].parameters;
  CHECK(has(to_markdown({section}), "| CIFAR-10 | untied (same) | 1 |"));
  section.forms["untied"][0].data = "ten kinds of leaves";
  CHECK(has(to_markdown({section}), "ten kinds of leaves in place of CIFAR-10"));
}

TEST_CASE("a user's folder may be called anything, and a part of the classes is partial data") {
  Section section{.benchmark = benchmarks()[3], .minutes = 4, .seeds = 1};
  section.forms["native"] = outcomes("native", {0.8}, 4);
  Outcome& o = section.forms["native"][0];
  o.data = "red, \"green\" | blue";
  CHECK(has(to_markdown({section}), "| red, \"green\" \\| blue in place of Tiny ImageNet |"));
  CHECK(has(to_csv({section}), "tiny_imagenet,\"red, \"\"green\"\" | blue\",native,"));
  o.data = "Tiny ImageNet", o.classes = 20, o.train_size = 9'000, o.validation_size = 1'000;
  CHECK(has(to_markdown({section}), "Tiny ImageNet, *partial data*: 20 of 200 classes, 10000 of 100000 training images"));
}

TEST_CASE("a table that was killed is finished by the next call, and a finished one is only printed") {
  const ScratchFolder data, out;
  checks::write_square_images(data.path(), "train", 600, 1);
  checks::write_square_images(data.path(), "t10k", 100, 2);
  std::vector<std::string> words{"env", "-u",       "WEFT_PYTHON", kPaper,   "--only",    "mnist", "--seeds",
                                 "1",   "--budget", "0.02",        "--data", data.path(), "--out", out.path()};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t quietly;
  posix_spawn_file_actions_init(&quietly);
  posix_spawn_file_actions_addopen(&quietly, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  REQUIRE(posix_spawnp(&child, "env", &quietly, nullptr, arguments.data(), environ) == 0);
  posix_spawn_file_actions_destroy(&quietly);
  const std::string first = out.path() + "/mnist/native-42/result.json", begun = out.path() + "/mnist/sparse-42/last.safetensors";
  for (int i = 0; i < 60000 && !std::filesystem::exists(begun); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  REQUIRE(std::filesystem::exists(first));
  std::this_thread::sleep_for(std::chrono::milliseconds(1000));  // the app that it had begun saves what it has
  const std::string kept = file_bytes(first);

  const ProgramResult second = run_program(words);
  INFO(second.output);
  CHECK(second.status == 0);
  CHECK(!has(second.output, "== mnist, native-42"));
  CHECK(has(second.output, "resuming after epoch"));  // sparse-42
  CHECK(has(second.output, "== mnist, untied-42"));
  CHECK(file_bytes(first) == kept);
  for (const char* form : {"| sparse |", "| native |", "| untied |", "sparse, density 0.25"}) CHECK(has(second.output, form));
  CHECK(has(second.output, "in place of MNIST"));
  CHECK(!has(second.output, "Not finished"));
  const std::string csv = file_bytes(out.path() + "/paper.csv"), json = file_bytes(out.path() + "/paper.json");
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 5);

  const ProgramResult third = run_program(words);
  CHECK(third.status == 0);
  CHECK(!has(third.output, "=="));
  CHECK(file_bytes(out.path() + "/paper.csv") == csv);
  CHECK(file_bytes(out.path() + "/paper.json") == json);

  // A training whose settings are no longer the app's is none of this table.
  const std::string config = out.path() + "/mnist/untied-42/config.json";
  std::string settings = file_bytes(config);
  settings.replace(settings.find("\"lr\""), settings.find(',', settings.find("\"lr\"")) - settings.find("\"lr\""), "\"lr\": 0.5");
  std::ofstream(config, std::ios::binary) << settings;
  const ProgramResult fourth = run_program(words);
  CHECK(fourth.status == 0);
  CHECK(has(fourth.output, "== mnist, untied-42"));
  CHECK(has(fourth.output, "starting anew"));
  CHECK(!has(fourth.output, "== mnist, native-42"));
}

TEST_CASE("a wrong name is answered with the nearest, missing data with exit code 2") {
  const ScratchFolder out;
  const ProgramResult wrong = run_program({kPaper, "--only", "cifar1", "--out", out.path()});
  CHECK(wrong.status == 1);
  CHECK(has(wrong.output, "did you mean cifar10"));
  const ProgramResult missing = run_program({kPaper, "--only", "mnist", "--data", out.path() + "/nowhere", "--out", out.path()});
  CHECK(missing.status == 2);
  CHECK(has(missing.output, "MNIST: 0 of 9 trainings finished: its data were not found"));
}
