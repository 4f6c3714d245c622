#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <weft/apps/support/checkpoint.hpp>
#include <weft/autograd/ops.hpp>
#include <weft/core/error.hpp>
#include <weft/core/files/safetensors.hpp>
#include <weft/layers/conv.hpp>
#include <weft/layers/linear.hpp>
#include <weft/layers/optim/adam.hpp>
#include <weft/layers/optim/sgd.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>

using namespace weft;
using oracle::ScratchFolder;

namespace {

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
                          .batch_size = 9,
                          .train_size = 179,
                          .fingerprint = UINT64_MAX,
                          .epoch = 3,
                          .batch = 11,
                          .batches = 20,
                          .train = {.loss = 1.0 / 3, .targets = 99, .correct = 98, .samples = 99, .seconds = 0.1},
                          .metrics_lines = 6,
                          .test = {.loss = std::nextafter(0.25, 1.0), .targets = 3, .correct = 2, .squared = 1.0 / 7, .absolute = 0.3}};

}  // namespace

TEST_CASE("a checkpoint restores parameters, optimizer and position, bit for bit") {
  const ScratchFolder folder;
  Trained first(3);
  save_checkpoint(folder / "last.safetensors", first.params, first.optimizer, kSomewhere);
  Trained second(1);
  CHECK(!same_bits(first.params.state(), second.params.state()));
  const Position at = load_checkpoint(folder / "last.safetensors", second.params, second.optimizer);
  CHECK(same_bits(first.params.state(), second.params.state()));
  CHECK(same_bits(first.optimizer.state(), second.optimizer.state()));
  CHECK(at.seed == 7);
  CHECK(at.batch_size == 9);
  CHECK(at.train_size == 179);
  CHECK(at.fingerprint == UINT64_MAX);
  CHECK(at.step() == 3 * 20 + 11);
  CHECK(at.batches == 20);
  CHECK(at.train.loss == 1.0 / 3);
  CHECK(at.train.targets == 99);
  CHECK(at.train.correct == 98);
  CHECK(at.train.samples == 99);
  CHECK(at.train.seconds == 0.1);
  CHECK(at.metrics_lines == 6);
  CHECK(at.test.loss == kSomewhere.test.loss);
  CHECK(at.test.accuracy() == 2.0 / 3);
  CHECK(at.test.squared == 1.0 / 7);
  CHECK(at.test.absolute == 0.3);
  first.step(3);
  second.step(3);
  CHECK(same_bits(first.params.state(), second.params.state()));
}

TEST_CASE("a checkpoint holds weights in the field's shapes under PyTorch's names") {
  const ScratchFolder folder;
  Trained net(1);
  save_checkpoint(folder / "last.safetensors", net.params, net.optimizer, kSomewhere);
  const ArrayFile file = read_safetensors(folder / "last.safetensors");
  REQUIRE(file.find("head.weight") != nullptr);
  CHECK(file.find("head.weight")->shape == Shape{5, 2 * 2 * 32});
  REQUIRE(file.find("head.bias") != nullptr);
  CHECK(file.find("head.bias")->shape == Shape{5});
  CHECK(file.metadata.at("format") == "pt");
}

TEST_CASE("a parameter that is not finite is refused and the old file stays") {
  const ScratchFolder folder;
  Trained net(1);
  save_checkpoint(folder / "last.safetensors", net.params, net.optimizer, kSomewhere);
  const std::uintmax_t size = std::filesystem::file_size(folder / "last.safetensors");
  net.head.bias()->value.data<float>()[2] = std::numeric_limits<float>::quiet_NaN();
  std::string text;
  try {
    save_checkpoint(folder / "last.safetensors", net.params, net.optimizer, {});
  } catch (const NumericError& error) {
    text = error.what();
  }
  CHECK(text.find("'head.bias' is not finite") != std::string::npos);
  CHECK(std::filesystem::file_size(folder / "last.safetensors") == size);
  CHECK(load_checkpoint(folder / "last.safetensors", net.params, net.optimizer).epoch == 3);
}

TEST_CASE("a checkpoint of another network or a damaged one changes nothing") {
  const ScratchFolder folder;
  Trained net(2);
  save_checkpoint(folder / "last.safetensors", net.params, net.optimizer, kSomewhere);
  Trained other(0, 42, 6);
  const State before = other.params.state();
  CHECK_THROWS_AS(load_checkpoint(folder / "last.safetensors", other.params, other.optimizer), UsageError);
  CHECK(same_bits(before, other.params.state()));

  std::filesystem::resize_file(folder / "last.safetensors", std::filesystem::file_size(folder / "last.safetensors") - 5);
  const State kept = net.params.state();
  CHECK_THROWS_AS(load_checkpoint(folder / "last.safetensors", net.params, net.optimizer), FormatError);
  CHECK(same_bits(kept, net.params.state()));
  CHECK_THROWS_AS(load_checkpoint(folder.path() + "/none", net.params, net.optimizer), FormatError);
}

TEST_CASE("moments that are not finite are neither saved over a good checkpoint nor loaded") {
  const ScratchFolder folder;
  const std::string path = folder / "last.safetensors";
  Trained net(1);
  save_checkpoint(path, net.params, net.optimizer, kSomewhere);
  const std::string good = oracle::file_bytes(path);
  const State weights = net.params.state(), moments = net.optimizer.state();
  State broken = moments;
  REQUIRE(broken[2].first == "conv.weight.exp_avg_sq");
  broken[2].second = moments[2].second.clone();
  broken[2].second.data<float>()[5] = std::numeric_limits<float>::infinity();
  net.optimizer.load(broken);
  std::string text;
  try {
    save_checkpoint(path, net.params, net.optimizer, kSomewhere);
  } catch (const NumericError& error) {
    text = error.what();
  }
  CHECK_MESSAGE(text.find("'optimizer/conv.weight.exp_avg_sq' is not finite after step 71") != std::string::npos, text);
  CHECK(oracle::file_bytes(path) == good);

  net.optimizer.load(moments);
  ArrayFile file = read_safetensors(path);
  for (NamedArray& array : file.arrays)
    if (array.name == "optimizer/conv.weight.exp_avg_sq") std::memcpy(array.bytes.data(), broken[2].second.bytes(), 6 * sizeof(float));
  write_safetensors(path, file);
  text.clear();
  try {
    load_checkpoint(path, net.params, net.optimizer);
  } catch (const FormatError& error) {
    text = error.what();
  }
  CHECK_MESSAGE(text.find("'optimizer/conv.weight.exp_avg_sq' is not finite") != std::string::npos, text);
  CHECK(same_bits(weights, net.params.state()));
  CHECK(same_bits(moments, net.optimizer.state()));
}

TEST_CASE("a checkpoint whose optimizer does not fit changes no parameter") {
  const ScratchFolder folder;
  const std::string path = folder / "last.safetensors";
  Trained net(1);
  Sgd sgd(net.params, {.momentum = 0.9});
  save_checkpoint(path, net.params, sgd, kSomewhere);
  net.head.bias()->value.fill(7);
  const State weights = net.params.state(), moments = net.optimizer.state();
  CHECK_THROWS_AS(load_checkpoint(path, net.params, net.optimizer), UsageError);
  CHECK(same_bits(weights, net.params.state()));
  for (const double steps : {-1.0, 0.5, 1e300}) {
    save_checkpoint(path, net.params, net.optimizer, kSomewhere);
    ArrayFile file = read_safetensors(path);
    for (NamedArray& array : file.arrays)
      if (array.name == "optimizer/step") std::memcpy(array.bytes.data(), &steps, sizeof steps);
    write_safetensors(path, file);
    net.head.bias()->value.fill(8);
    CHECK_THROWS_AS(load_checkpoint(path, net.params, net.optimizer), UsageError);
    CHECK(unpack_rows<float>(net.head.bias()->value)[0] == 8);
  }
  CHECK(same_bits(moments, net.optimizer.state()));
}

TEST_CASE("a flipped bit in an array and a parameter that is not finite are refused") {
  const ScratchFolder folder;
  const std::string path = folder / "last.safetensors";
  Trained net(1);
  save_checkpoint(path, net.params, net.optimizer, kSomewhere);
  const State kept = net.params.state();
  const auto message = [&] {
    try {
      load_checkpoint(path, net.params, net.optimizer);
    } catch (const FormatError& error) {
      return std::string(error.what());
    }
    return std::string("nothing was thrown");
  };
  ArrayFile file = read_safetensors(path);
  std::string bytes = oracle::file_bytes(path);
  for (const std::size_t behind : {std::size_t{1}, bytes.size() / 3, bytes.size() / 2}) {
    std::string flipped = bytes;
    flipped[bytes.size() - behind] ^= 4;
    folder.write("last.safetensors", flipped);
    const std::string text = message();
    CHECK_MESSAGE(text.find("CRC-32") != std::string::npos, text);
    CHECK(text.find(path) != std::string::npos);
  }
  const float infinite = std::numeric_limits<float>::infinity();
  for (NamedArray& array : file.arrays)
    if (array.name == "head.bias") std::memcpy(array.bytes.data(), &infinite, sizeof infinite);
  write_safetensors(path, file);
  CHECK(message().find("'head.bias' is not finite") != std::string::npos);
  CHECK(same_bits(kept, net.params.state()));
}

TEST_CASE("a flipped bit anywhere in a checkpoint is refused and changes nothing") {
  const ScratchFolder folder;
  const std::string path = folder / "last.safetensors";
  ParamStore params;
  const Linear head(Scope{params} / "head", 3, 2);
  AdamW optimizer(params);
  save_checkpoint(path, params, optimizer, kSomewhere);
  head.bias()->value.fill(7);
  const State weights = params.state(), moments = optimizer.state();
  const std::string bytes = oracle::file_bytes(path);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  const auto put = [&](std::size_t at, char byte) { file.seekp(static_cast<std::streamoff>(at)).put(byte).flush(); };
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    put(bit / 8, static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8)));
    bool refused = false;
    try {
      load_checkpoint(path, params, optimizer);
    } catch (const FormatError&) {
      refused = true;
    }
    CHECK_MESSAGE(refused, "bit ", bit % 8, " of byte ", bit / 8);
    put(bit / 8, bytes[bit / 8]);
  }
  CHECK(same_bits(weights, params.state()));
  CHECK(same_bits(moments, optimizer.state()));
  CHECK(load_checkpoint(path, params, optimizer).epoch == 3);
}

TEST_CASE("a file without a position names what is missing") {
  const ScratchFolder folder;
  Trained net(1);
  save_checkpoint(folder / "last.safetensors", net.params, net.optimizer, kSomewhere);
  ArrayFile file = read_safetensors(folder / "last.safetensors");
  const auto message = [&] {
    write_safetensors(folder / "last.safetensors", file);
    try {
      load_checkpoint(folder / "last.safetensors", net.params, net.optimizer);
    } catch (const FormatError& error) {
      return std::string(error.what());
    }
    return std::string("nothing was thrown");
  };
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{{"epoch", "-1"},
                                                                                    {"batch", "21"},
                                                                                    {"batches", "-20"},
                                                                                    {"batches", "21"},
                                                                                    {"batch_size", "0"},
                                                                                    {"train_size", "-9"},
                                                                                    {"train_samples", "98"},
                                                                                    {"metrics_lines", "5"},
                                                                                    {"metrics_lines", "1000"},
                                                                                    {"train_correct", "100"},
                                                                                    {"train_seconds", "-1"},
                                                                                    {"test_correct", "4"}}) {
    const std::string before = std::exchange(file.metadata[name], value);
    const std::string text = message();
    CHECK_MESSAGE(text.find("'" + name + "' is " + value) != std::string::npos, text);
    CHECK(text.find("last.safetensors") != std::string::npos);
    file.metadata[name] = before;
  }
  file.metadata["batch"] = "many";
  CHECK(message().find("'batch' is 'many'") != std::string::npos);
  file.metadata.erase("batch");
  CHECK(message().find("'batch' is missing") != std::string::npos);
}
