#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <weft/apps/support/checkpoint.hpp>
#include <weft/autograd/ops.hpp>
#include <weft/core/error.hpp>
#include <weft/core/files/safetensors.hpp>
#include <weft/layers/conv.hpp>
#include <weft/layers/linear.hpp>
#include <weft/layers/optim/adam.hpp>

using namespace weft;

namespace {

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/weft-checkpoint-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file() const { return path + "/last.safetensors"; }
};

/// A convolution with random blocks, a linear layer, and an optimizer that has taken `steps` steps.
struct Trained {
  ParamStore params;
  Conv2d conv;
  Linear head;
  AdamW optimizer;

  explicit Trained(int steps, std::uint64_t seed = 42, int out = 5)
      : params(Device{}, seed),
        conv(Scope{params} / "conv", {4, 4, 16}, 32, {.kernel = 3, .density = 0.5}),
        head(Scope{params} / "head", conv.out().size(), out),
        optimizer(params) {
    for (int i = 0; i < steps; ++i) step(i);
  }

  void step(int i) {
    Tape tape(Mode::train);
    Tensor x = Tensor::tiled(Dtype::f32, {4, 4, 16}, sample_columns(9));
    x.fill(0.25 + 0.5 * i);
    tape.reset(i);
    const Var loss = mean(head(flatten(relu(conv(tape.input(x))))));
    optimizer.step(tape.backward(loss), 1e-2);
  }
};

bool same_bits(const State& a, const State& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const Tensor &x = a[i].second, &y = b[i].second;
    if (a[i].first != b[i].first || x.dtype() != y.dtype() || !(x.rows() == y.rows())) return false;
    if (std::memcmp(x.bytes(), y.bytes(), static_cast<std::size_t>(x.element_count()) * size_of(x.dtype())) != 0) return false;
  }
  return true;
}

const Position kSomewhere{.seed = 7,
                          .epoch = 3,
                          .batch = 11,
                          .batches = 20,
                          .train = {.loss = 1.0 / 3, .targets = 99, .correct = 98, .samples = 97, .seconds = 0.1},
                          .metrics_lines = 6,
                          .test_loss = std::nextafter(0.25, 1.0),
                          .test_accuracy = 2.0 / 3};

}  // namespace

TEST_CASE("a checkpoint restores parameters, optimizer and position, bit for bit") {
  const Folder folder;
  Trained first(3);
  save_checkpoint(folder.file(), first.params, first.optimizer, kSomewhere);
  Trained second(1);
  CHECK(!same_bits(first.params.state(), second.params.state()));
  const Position at = load_checkpoint(folder.file(), second.params, second.optimizer);
  CHECK(same_bits(first.params.state(), second.params.state()));
  CHECK(same_bits(first.optimizer.state(), second.optimizer.state()));
  CHECK(at.seed == 7);
  CHECK(at.step() == 3 * 20 + 11);
  CHECK(at.batches == 20);
  CHECK(at.train.loss == 1.0 / 3);
  CHECK(at.train.targets == 99);
  CHECK(at.train.correct == 98);
  CHECK(at.train.samples == 97);
  CHECK(at.train.seconds == 0.1);
  CHECK(at.metrics_lines == 6);
  CHECK(at.test_loss == kSomewhere.test_loss);
  CHECK(at.test_accuracy == kSomewhere.test_accuracy);
  first.step(3);
  second.step(3);
  CHECK(same_bits(first.params.state(), second.params.state()));
}

TEST_CASE("a checkpoint holds weights in the field's shapes under PyTorch's names") {
  const Folder folder;
  Trained net(1);
  save_checkpoint(folder.file(), net.params, net.optimizer, kSomewhere);
  const ArrayFile file = read_safetensors(folder.file());
  REQUIRE(file.find("head.weight") != nullptr);
  CHECK(file.find("head.weight")->shape == Shape{5, 2 * 2 * 32});
  REQUIRE(file.find("head.bias") != nullptr);
  CHECK(file.find("head.bias")->shape == Shape{5});
  CHECK(file.metadata.at("format") == "pt");
}

TEST_CASE("a parameter that is not finite is refused and the old file stays") {
  const Folder folder;
  Trained net(1);
  save_checkpoint(folder.file(), net.params, net.optimizer, kSomewhere);
  const std::uintmax_t size = std::filesystem::file_size(folder.file());
  net.head.bias()->value.data<float>()[2] = std::numeric_limits<float>::quiet_NaN();
  std::string text;
  try {
    save_checkpoint(folder.file(), net.params, net.optimizer, {});
  } catch (const NumericError& error) {
    text = error.what();
  }
  CHECK(text.find("'head.bias' is not finite") != std::string::npos);
  CHECK(std::filesystem::file_size(folder.file()) == size);
  CHECK(load_checkpoint(folder.file(), net.params, net.optimizer).epoch == 3);
}

TEST_CASE("a checkpoint of another network or a damaged one changes nothing") {
  const Folder folder;
  Trained net(2);
  save_checkpoint(folder.file(), net.params, net.optimizer, kSomewhere);
  Trained other(0, 42, 6);
  const State before = other.params.state();
  CHECK_THROWS_AS(load_checkpoint(folder.file(), other.params, other.optimizer), UsageError);
  CHECK(same_bits(before, other.params.state()));

  std::filesystem::resize_file(folder.file(), std::filesystem::file_size(folder.file()) - 5);
  const State kept = net.params.state();
  CHECK_THROWS_AS(load_checkpoint(folder.file(), net.params, net.optimizer), FormatError);
  CHECK(same_bits(kept, net.params.state()));
  CHECK_THROWS_AS(load_checkpoint(folder.path + "/none", net.params, net.optimizer), FormatError);
}

TEST_CASE("a file without a position names what is missing") {
  const Folder folder;
  Trained net(1);
  save_checkpoint(folder.file(), net.params, net.optimizer, kSomewhere);
  ArrayFile file = read_safetensors(folder.file());
  const auto message = [&] {
    write_safetensors(folder.file(), file);
    try {
      load_checkpoint(folder.file(), net.params, net.optimizer);
    } catch (const FormatError& error) {
      return std::string(error.what());
    }
    return std::string("nothing was thrown");
  };
  file.metadata["batch"] = "many";
  CHECK(message().find("'batch' is 'many'") != std::string::npos);
  file.metadata.erase("batch");
  CHECK(message().find("'batch' is missing") != std::string::npos);
}
