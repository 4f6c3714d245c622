// The apps, above all mnist, as a user meets them: processes of their own, their files, their exit codes.
#include <doctest/doctest.h>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <weft/core/files/safetensors.hpp>
#include <weft/core/text.hpp>
#include <weft/data/program.hpp>
#include <weft/tests/checks/square_images.hpp>
#include <weft/tests/oracle/jpeg_bytes.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>
#include <weft/tests/oracle/tar_bytes.hpp>

using namespace weft;
using oracle::file_bytes;
using oracle::ScratchFolder;

namespace {

const std::string kMnist = std::string(WEFT_BIN) + "/mnist";

const std::string& data() {
  static const ScratchFolder folder;
  static const bool written = [] {
    checks::write_square_images(folder.path(), "train", 600, 1);
    checks::write_square_images(folder.path(), "t10k", 100, 2);
    return true;
  }();
  static_cast<void>(written);
  return folder.path();
}

ProgramResult mnist(const std::string& out, std::vector<std::string> flags) {
  flags.insert(flags.begin(), {kMnist, "--out", out});
  return run_program(flags);
}

/// The flags of the run that is killed: everything that draws random numbers is on.
std::vector<std::string> long_run() {
  return {"--data",    data(), "--epochs",           "3", "--batch", "20",     "--lr", "0.002", "--warmup", "5", "--shift", "1",
          "--dropout", "0.3",  "--checkpoint-every", "2", "--quiet", "--seed", "9"};
}

/// Starts mnist and kills it after `milliseconds`; true if it was still running then.
bool killed(const std::string& out, std::vector<std::string> flags, int milliseconds) {
  flags.insert(flags.begin(), {kMnist, "--out", out});
  std::vector<char*> arguments;
  for (std::string& flag : flags) arguments.push_back(flag.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  REQUIRE(posix_spawn(&child, kMnist.c_str(), nullptr, nullptr, arguments.data(), environ) == 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  kill(child, SIGKILL);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status)) return true;
  REQUIRE(WEXITSTATUS(status) == 0);
  return false;
}

std::vector<nlohmann::json> metrics_of(const std::string& out) {
  std::vector<nlohmann::json> lines;
  std::ifstream in(out + "/metrics.jsonl");
  for (std::string line; std::getline(in, line);) {
    lines.push_back(nlohmann::json::parse(line));
    lines.back().erase("seconds");
    lines.back().erase("samples_per_second");
  }
  return lines;
}

bool same_arrays(const std::string& a, const std::string& b) {
  const ArrayFile x = read_safetensors(a + "/last.safetensors"), y = read_safetensors(b + "/last.safetensors");
  if (x.arrays.empty() || x.arrays.size() != y.arrays.size()) return false;
  for (std::size_t i = 0; i < x.arrays.size(); ++i)
    if (x.arrays[i].name != y.arrays[i].name || x.arrays[i].bytes != y.arrays[i].bytes) return false;
  return true;
}

/// Epoch and batch of a checkpoint; zeros if there is none.
std::pair<int, int> position_in(const std::string& path) {
  if (!std::filesystem::exists(path)) return {0, 0};
  const ArrayFile file = read_safetensors(path);
  return {std::stoi(file.metadata.at("epoch")), std::stoi(file.metadata.at("batch"))};
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a run leaves its results in its folder and says what it trained on") {
  const ScratchFolder out;
  const ProgramResult run =
      mnist(out.path(), {"--data", data(), "--epochs", "4", "--warmup", "0", "--target", "accuracy>=0.5", "--threads", "2"});
  INFO(run.output);
  CHECK(run.status == 0);
  CHECK(has(run.output, "weft "));
  CHECK(has(run.output, "2 threads"));
  CHECK(has(run.output, "seed 42"));
  CHECK(has(run.output, data()));
  CHECK(has(run.output, "600 training and 100 test images of 12x12x1"));
  CHECK(has(run.output, "dense equivalents"));
  for (const char* name : {"config.json", "summary.txt", "metrics.jsonl", "last.safetensors", "curves.dat", "curves.gp", "spy_c2.dat",
                           "spy_c2.gp", "spy_hidden.dat", "result.json"})
    CHECK_MESSAGE(std::filesystem::file_size(out.path() + "/" + name) > 0, name);
  CHECK((std::filesystem::exists(out.path() + "/spy_c2.svg") || has(run.output, "gnuplot is not installed")));
  CHECK(metrics_of(out.path()).size() == 8);
}

TEST_CASE("with --validation the test set is read once and result.json says what was measured on what") {
  const ScratchFolder out;
  const ProgramResult run = mnist(out.path(), {"--data", data(), "--epochs", "2", "--validation", "0.2", "--evaluations", "2"});
  INFO(run.output);
  CHECK(run.status == 0);
  CHECK(has(run.output, "held out for validation: 120 training images, 480 are left"));
  const nlohmann::json result = nlohmann::json::parse(std::ifstream(out.path() + "/result.json"));
  CHECK(result["train_size"] == 480);
  CHECK(result["validation_size"] == 120);
  CHECK(result["test_size"] == 100);
  CHECK(result["epochs"] == 2);
  CHECK(result["steps"] == 2 * 4);
  CHECK(result["parameters"].get<std::int64_t>() > 0);
  CHECK(result["nnz"].get<std::int64_t>() > result["parameters"].get<std::int64_t>());
  CHECK(result["peak_memory"].get<std::int64_t>() > 1'000'000);
  const std::vector<nlohmann::json> lines = metrics_of(out.path());
  CHECK(lines.size() == 9);  // in each epoch two parts, train and validation; the test at the end
  CHECK(lines.back()["accuracy"] == result["test_accuracy"]);
  const ProgramResult none = mnist(out.path(), {"--data", data(), "--epochs", "1", "--validation", "0.001"});
  CHECK(none.status == 1);
  CHECK(has(none.output, "which holds out none of 600 images"));
}

TEST_CASE("a wrong flag exits 1, missing data 2, a missed target 3, a non-finite value 4") {
  const ScratchFolder out;
  ProgramResult run = mnist(out.path(), {"--epoch", "3"});
  CHECK(run.status == 1);
  CHECK(has(run.output, "did you mean --epochs?"));
  run = mnist(out.path(), {"--density", "0"});
  CHECK(run.status == 1);
  run = mnist(out.path(), {"--data", out.path() + "/nowhere"});
  CHECK(run.status == 2);
  CHECK(has(run.output, "nowhere"));
  run = mnist(out.path(), {"--data", data(), "--epochs", "1", "--target", "accuracy>1"});
  CHECK(run.status == 3);
  CHECK(has(run.output, "target missed: accuracy>1"));
  run = mnist(out.path(), {"--data", data(), "--epochs", "1", "--lr", "1e30", "--warmup", "0"});
  INFO(run.output);
  CHECK(run.status == 4);
  CHECK(has(run.output, "numeric error in "));
  CHECK(!read_safetensors(out.path() + "/last.safetensors").arrays.empty());
  run = mnist(out.path(), {"--help"});
  CHECK(run.status == 0);
  CHECK(has(run.output, "--weight-decay"));
}

TEST_CASE("values that no run can have exit 1 and are named") {
  const ScratchFolder out;
  const auto refused = [&](std::vector<std::string> flags, const std::string& part) {
    flags.insert(flags.end(), {"--data", data(), "--quiet", "--epochs", "1"});
    const ProgramResult run = mnist(out.path(), flags);
    INFO(run.output);
    CHECK(run.status == 1);
    CHECK(has(run.output, part));
  };
  refused({"--threads", "100000"}, "threads is 100000");
  refused({"--shift", "12"}, "shift is 12, it must be less than 12");
  refused({"--seed", "-1"}, "-1");
  out.write("file", "in the way");
  const ProgramResult run = mnist(out / "file/out", {"--data", data(), "--quiet"});
  INFO(run.output);
  CHECK(run.status == 1);
  CHECK(has(run.output, (out / "file/out") + "'"));
}

TEST_CASE("no epoch gives the initial network's measured results") {
  const ScratchFolder out;
  const ProgramResult run = mnist(out.path(), {"--data", data(), "--epochs", "0", "--quiet", "--target", "loss<0.5"});
  INFO(run.output);
  CHECK(run.status == 3);
  CHECK(has(run.output, "after epoch 0"));
  CHECK(!has(run.output, "test loss 0.0000"));
  CHECK(metrics_of(out.path()).empty());
}

TEST_CASE("a malformed data file exits 2 and is named") {
  const ScratchFolder bad, out;
  std::filesystem::copy(data(), bad.path(), std::filesystem::copy_options::recursive);
  std::filesystem::resize_file(bad.path() + "/t10k-images-idx3-ubyte", 5000);
  const ProgramResult run = mnist(out.path(), {"--data", bad.path()});
  CHECK(run.status == 2);
  CHECK(has(run.output, "t10k-images-idx3-ubyte"));
}

TEST_CASE("a refused --resume leaves the run as it was") {
  const ScratchFolder out;
  const std::vector<std::string> flags{"--data", data(), "--quiet", "--epochs", "1"};
  REQUIRE(mnist(out.path(), flags).status == 0);
  const std::string config = file_bytes(out / "config.json"), summary = file_bytes(out / "summary.txt");
  CHECK(mnist(out.path(), {"--quiet", "--resume", "--density", "0.5"}).status == 1);
  CHECK(file_bytes(out / "config.json") == config);
  CHECK(file_bytes(out / "summary.txt") == summary);
  const std::string metrics = file_bytes(out / "metrics.jsonl");
  std::string garbage = metrics;
  garbage[3] = '\x80';
  out.write("metrics.jsonl", garbage);
  const ProgramResult refused = mnist(out.path(), {"--quiet", "--resume", "--epochs", "2"});
  CHECK(refused.status == 2);
  CHECK(has(refused.output, "metrics.jsonl': line 1 "));
  CHECK(file_bytes(out / "metrics.jsonl") == garbage);
  CHECK(file_bytes(out / "config.json") == config);
  const auto counted = [&](const std::string& part) {
    const ProgramResult run = mnist(out.path(), {"--quiet", "--resume", "--epochs", "2"});
    INFO(run.output);
    CHECK(run.status == 2);
    CHECK(has(run.output, part));
    CHECK(has(run.output, out / "metrics.jsonl"));
    CHECK(file_bytes(out / "config.json") == config);
  };
  const std::string first_line = metrics.substr(0, metrics.find('\n') + 1);
  out.write("metrics.jsonl", first_line);
  counted("holds 1 lines, the checkpoint counts 2");
  CHECK(file_bytes(out / "metrics.jsonl") == first_line);
  std::filesystem::remove(out / "metrics.jsonl");
  counted("is missing: 0 lines, the checkpoint counts 2");
  CHECK(!std::filesystem::exists(out / "metrics.jsonl"));
  out.write("metrics.jsonl", metrics);
  const std::string checkpoint = file_bytes(out / "last.safetensors");
  for (const char* field : {"\"epoch\":\"", "\"crc", "\"metrics_lines\":\"", "\"test_correct\":\"", "\"optimizer/"}) {
    std::string flipped = checkpoint;
    const std::size_t at = flipped.find(field);
    REQUIRE(at != std::string::npos);
    flipped[at + std::strlen(field)] ^= 1;
    out.write("last.safetensors", flipped);
    const ProgramResult run = mnist(out.path(), {"--quiet", "--resume", "--epochs", "2"});
    INFO(run.output);
    CHECK(run.status == 2);
    CHECK(has(run.output, out / "last.safetensors"));
    CHECK(file_bytes(out / "last.safetensors") == flipped);
    CHECK(file_bytes(out / "metrics.jsonl") == metrics);
    CHECK(file_bytes(out / "config.json") == config);
  }
  out.write("last.safetensors", checkpoint);
  const ProgramResult other_batch = mnist(out.path(), {"--quiet", "--resume", "--epochs", "2", "--batch", "127"});
  CHECK(other_batch.status == 1);
  CHECK(has(other_batch.output, "batch is 127, the checkpoint was made with 128"));
  const ProgramResult resumed = mnist(out.path(), {"--quiet", "--resume", "--epochs", "2"});
  INFO(resumed.output);
  CHECK(resumed.status == 0);
  CHECK(metrics_of(out.path()).size() == 4);
}

TEST_CASE("an earlier run is kept and a missing one is named, also with -q") {
  const ScratchFolder out;
  const std::vector<std::string> flags{"--data", data(), "--quiet", "--epochs", "1"};
  std::vector<std::string> resume = flags;
  resume.emplace_back("--resume");
  CHECK(has(mnist(out.path(), resume).output, "no checkpoint in " + out.path()));
  const std::vector<std::pair<std::string, std::string>> names{
      {"last.safetensors", "previous.safetensors"}, {"config.json", "previous.config.json"}, {"metrics.jsonl", "previous.metrics.jsonl"}};
  std::vector<std::string> old;
  for (const auto& [name, other] : names) old.push_back(file_bytes(out / name));
  const ProgramResult again = mnist(out.path(), flags);
  CHECK(again.status == 0);
  CHECK(has(again.output, "previous.safetensors, previous.config.json, previous.result.json, previous.metrics.jsonl\n"));
  for (std::size_t i = 0; i < names.size(); ++i) CHECK(file_bytes(out / names[i].second) == old[i]);
  CHECK(metrics_of(out.path()).size() == 2);

  const std::string metrics = file_bytes(out / "metrics.jsonl");  // of a run whose checkpoint is gone
  std::filesystem::remove(out / "last.safetensors");
  CHECK(has(mnist(out.path(), resume).output, "previous.config.json, previous.result.json, previous.metrics.jsonl\n"));
  CHECK(file_bytes(out / "previous.metrics.jsonl") == metrics);
}

TEST_CASE("an interrupt leaves a checkpoint and exits 130") {
  const ScratchFolder out;
  std::vector<std::string> flags{kMnist, "--out", out.path(), "--data", data(), "--epochs", "100000", "--quiet"};
  std::vector<char*> arguments;
  for (std::string& flag : flags) arguments.push_back(flag.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  REQUIRE(posix_spawn(&child, kMnist.c_str(), nullptr, nullptr, arguments.data(), environ) == 0);
  int status = 0;
  while (metrics_of(out.path()).empty()) {
    REQUIRE(waitpid(child, &status, WNOHANG) == 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  kill(child, SIGINT);
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 130);
  CHECK(std::stoi(read_safetensors(out.path() + "/last.safetensors").metadata.at("epoch")) >= 1);
}

TEST_CASE("a run killed at twenty random moments and resumed with other threads ends with the same bits") {
  const ScratchFolder whole, parts;
  const auto began = std::chrono::steady_clock::now();
  std::vector<std::string> flags = long_run();
  flags.insert(flags.end(), {"--threads", "1"});
  const ProgramResult run = mnist(whole.path(), flags);
  INFO(run.output);
  REQUIRE(run.status == 0);
  const auto whole_ms =
      static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began).count());

  const Random draws(20, 20);
  int kills = 0, trained = 0, within_an_epoch = 0;  // the latter two: of the kills
  for (std::uint64_t attempt = 0; kills < 20 || trained < 5 || within_an_epoch < 1; ++attempt) {
    REQUIRE(attempt < 1000);
    std::vector<std::string> again = long_run();
    again.insert(again.end(), {"--resume", "--threads", std::to_string(std::vector<int>{1, 2, 7}[attempt % 3])});
    if (killed(parts.path(), again, static_cast<int>(draws.below(attempt, whole_ms / 2 + 2)))) {
      const auto [epoch, batch] = position_in(parts / "last.safetensors");
      ++kills;
      trained += epoch > 0 || batch > 0 ? 1 : 0;
      within_an_epoch += batch > 0 ? 1 : 0;
    } else {
      std::filesystem::remove(parts / "last.safetensors");  // it got through: begin anew, the kills go on
    }
  }
  CHECK(trained >= 5);
  CHECK(within_an_epoch >= 1);
  flags = long_run();
  flags.insert(flags.end(), {"--resume", "--threads", "7"});
  REQUIRE(mnist(parts.path(), flags).status == 0);
  CHECK(metrics_of(whole.path()).size() == 6);
  CHECK(metrics_of(parts.path()) == metrics_of(whole.path()));
  CHECK(same_arrays(parts.path(), whole.path()));
}

TEST_CASE("flags that an app has no use for are refused") {
  const ScratchFolder folder;
  const std::string jpeg = oracle::plain_jpeg(64, 64, 1, 2, 3);
  folder.write("tiny-imagenet.tar", oracle::tar_bytes({{.name = "train/a/images/a_0.JPEG", .bytes = jpeg},
                                                       {.name = "train/b/images/b_0.JPEG", .bytes = jpeg},
                                                       {.name = "val/images/v_0.JPEG", .bytes = jpeg},
                                                       {.name = "wnids.txt", .bytes = "a\nb\n"},
                                                       {.name = "val/val_annotations.txt", .bytes = "v_0.JPEG\ta\t0\t0\t9\t9\n"}}));
  const auto refused = [&](const std::vector<std::string>& flags, const std::string& what) {
    std::vector<std::string> words{std::string(WEFT_BIN) + "/tiny_imagenet", "--out", folder / "out", "--data",
                                   folder / "tiny-imagenet.tar"};
    words.insert(words.end(), flags.begin(), flags.end());
    const ProgramResult run = run_program(words);
    INFO(run.output);
    CHECK(run.status == 1);
    CHECK(has(run.output, what));
  };
  refused({"--side", "32"}, "side is 32, but the images of Tiny ImageNet are 64x64");
  refused({"--dropout", "0.1"}, "unknown flag --dropout");
  refused({"--label-smooting", "0.1"}, "did you mean --label-smoothing");
}

TEST_CASE("images of one's own train a network, and a damaged one is exit 2") {
  const ScratchFolder folder;
  for (const char* set : {"train", "test"})
    for (int i = 0; i < 8; ++i)
      for (const bool bright : {false, true}) {
        const auto level = static_cast<unsigned char>(bright ? 200 + i : 50 - i);
        folder.write(std::string("own/") + set + (bright ? "/day/" : "/night/") + std::to_string(i) + ".jpg",
                     oracle::plain_jpeg(30 + i, 40, level, level, level));
      }
  const auto train = [&] {
    return run_program({std::string(WEFT_BIN) + "/tiny_imagenet", "--out", folder / "out", "--data", folder / "own", "--side", "16",
                        "--width", "4", "--batch", "8", "--epochs", "2", "--shift", "1", "--model", "resnet9"});
  };
  const ProgramResult run = train();
  INFO(run.output);
  CHECK(run.status == 0);
  CHECK(has(run.output, "data: own images own from " + (folder / "own") + ", 16 training and 16 test images of 16x16x3, 2 classes"));
  CHECK(nlohmann::json::parse(file_bytes(folder / "out/config.json")).at("side") == 16);
  CHECK(nlohmann::json::parse(file_bytes(folder / "out/result.json")).at("classes") == 2);
  folder.write("own/train/day/3.jpg", oracle::plain_jpeg(20, 20, 1, 2, 3).substr(0, 400));
  const ProgramResult refused = train();
  CHECK(refused.status == 2);
  CHECK(has(refused.output, "format error in jpeg '" + (folder / "own/train/day/3.jpg") + "': "));
}

TEST_CASE("a run on words keeps its vocabulary beside the checkpoint, and goes on with no other") {
  for (const std::string app : {"ag_news", "ptb", "wikitext2"}) {
    const ScratchFolder folder;
    const auto write = [&](const std::string& night) {
      std::string rows, lines;
      for (int i = 0; i < 12; ++i) {
        rows += "day,sun light " + std::string(i % 2 ? "noon" : "dawn") + "\nnight,star " + night + " dark\n";
        lines += "the sun and the star and the " + night + "\n";
      }
      folder.write("own/classes.txt", "day\nnight\n");
      for (const char* set : {"train", "test"}) folder.write(cat("own/", set, ".csv"), rows);
      for (const char* set : {"train", "valid", "test"}) folder.write(cat("own/", set, ".txt"), lines);
    };
    const auto train = [&](std::vector<std::string> flags) {
      flags.insert(flags.begin(), {cat(WEFT_BIN, "/", app), "--out", folder / "out", "--data", folder / "own", "--batch", "4", "--width",
                                   "8", "--steps", "4", "--warmup", "0"});
      return run_program(flags);
    };
    const auto words = [&] { return file_bytes(folder / "out/vocabulary.txt"); };
    write("moon");
    const ProgramResult run = train({"--epochs", "1"});
    INFO(run.output);
    CHECK(run.status == 0);
    CHECK(has(run.output, app == "ag_news" ? "tf-idf and logistic regression  accuracy" : "Kneser-Ney on five words  perplexity"));
    CHECK(has(words(), "\nmoon\n"));
    const std::string first = words();
    write("mood");
    const ProgramResult refused = train({"--epochs", "2", "--resume"});
    INFO(refused.output);
    CHECK(refused.status == 1);
    CHECK(has(refused.output, "the training data have the hash "));
    CHECK(words() == first);
    CHECK(train({"--epochs", "1"}).status == 0);
    CHECK(has(words(), "\nmood\n"));
    CHECK(file_bytes(folder / "out/previous.vocabulary.txt") == first);
    CHECK(train({"--epochs", "2", "--resume"}).status == 0);
  }
}
