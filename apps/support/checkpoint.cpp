#include <weft/apps/support/checkpoint.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <sstream>
#include <utility>

#include <weft/core/error.hpp>
#include <weft/core/files/safetensors.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

constexpr const char *kOptimizer = "optimizer/", *kCarried = "carried/";

bool all_finite(const Tensor& tensor) {
  if (tensor.dtype() != Dtype::f32 && tensor.dtype() != Dtype::f64) return true;
  return by_float(tensor.dtype(), [&](auto zero) {
    const auto* values = tensor.data<decltype(zero)>();
    for (std::int64_t i = 0; i < tensor.element_count(); ++i)
      if (!std::isfinite(values[i])) return false;
    return true;
  });
}

/// Calls visit(name, member) for all that metadata holds.
template <class P, class Visit>
void for_each_field(P& p, Visit&& visit) {
  visit("seed", p.seed);
  visit("batch_size", p.batch_size);
  visit("train_size", p.train_size);
  visit("fingerprint", p.fingerprint);
  visit("epoch", p.epoch);
  visit("batch", p.batch);
  visit("batches", p.batches);
  visit("train_loss", p.train.loss);
  visit("train_targets", p.train.targets);
  visit("train_correct", p.train.correct);
  visit("train_squared", p.train.squared);
  visit("train_absolute", p.train.absolute);
  visit("train_samples", p.train.samples);
  visit("train_seconds", p.train.seconds);
  visit("metrics_lines", p.metrics_lines);
  visit("test_loss", p.test.loss);
  visit("test_targets", p.test.targets);
  visit("test_correct", p.test.correct);
  visit("test_squared", p.test.squared);
  visit("test_absolute", p.test.absolute);
  visit("test_samples", p.test.samples);
  visit("test_seconds", p.test.seconds);
}

/// A double in digits that read back as the same bits.
std::string text_of(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}
template <class T>
std::string text_of(T value) {
  return cat(value);
}

template <class T>
void read_field(const ArrayFile& file, const std::string& path, const char* name, T& value) {
  const auto found = file.metadata.find(name);
  if (found == file.metadata.end())
    throw FormatError(
        {.op = "checkpoint", .path = path, .what = cat("metadata '", name, "' is missing"), .hint = "resume from a file that a run wrote"});
  std::istringstream in(found->second);
  if (!(in >> value) || in.peek() != std::char_traits<char>::eof())
    throw FormatError({.op = "checkpoint", .path = path, .what = cat("metadata '", name, "' is '", found->second, "', not a number")});
}

/// Refuses what no run writes.
void check_position(const Position& p, const std::string& path) {
  constexpr std::int64_t kMost = INT32_MAX;
  const auto within = [&](const char* name, auto value, decltype(value) least, decltype(value) most) {
    if (value >= least && value <= most) return;
    throw FormatError({.op = "checkpoint",
                       .path = path,
                       .what = cat("metadata '", name, "' is ", value, ", it must be in [", least, ", ", most, "]"),
                       .hint = "the file is damaged: take an earlier copy"});
  };
  const std::int64_t epochs = p.epoch, batch_size = p.batch_size;
  within("epoch", epochs, 0, kMost);
  within("batch_size", batch_size, 1, kMost);
  within("train_size", p.train_size, 0, kMost * batch_size);
  const std::int64_t whole = p.train_size / batch_size;
  within("batches", p.batches, 0, whole + (p.train_size % batch_size > 0 ? 1 : 0));  // fewer where a sample is a token of many
  within("batch", p.batch, 0, p.batches);
  const std::int64_t trained = std::min(p.batch * batch_size, p.train_size);
  // Each epoch two lines, and at times the test, the flip average and evaluations between batches.
  within("metrics_lines", p.metrics_lines, 2 * epochs, (4 + p.batches) * epochs + p.batch);
  within("train_samples", p.train.samples, trained, trained);
  within("train_targets", p.train.targets, 0, trained > 0 ? INT64_MAX : 0);
  within("train_correct", p.train.correct, 0, p.train.targets);
  within("train_seconds", p.train.seconds, 0, std::numeric_limits<double>::max());
  within("test_targets", p.test.targets, 0, epochs > 0 ? INT64_MAX : 0);
  within("test_correct", p.test.correct, 0, p.test.targets);
}

}  // namespace

void save_checkpoint(const std::string& path, const ParamStore& params, const Optimizer& optimizer, const Position& position,
                     const Carried& carried) {
  ArrayFile file;
  file.metadata["format"] = "pt";
  for_each_field(position, [&](const char* name, const auto& value) { file.metadata[name] = text_of(value); });
  const auto add = [&](const std::string& name, const Tensor& tensor) {
    if (!all_finite(tensor))
      throw NumericError({.op = "checkpoint",
                          .path = path,
                          .what = cat("'", name, "' is not finite after step ", position.step()),
                          .detail = "the file keeps what was saved before",
                          .hint = "lower --lr or bound the gradient with --clip"});
    file.arrays.push_back(NamedArray::of(name, tensor));
  };
  for (const auto& [name, tensor] : params.state()) add(name, tensor);
  for (const auto& [name, tensor] : optimizer.state()) add(kOptimizer + name, tensor);
  for (std::size_t i = 0; i < carried.size(); ++i) add(cat(kCarried, i), carried[i]);
  write_safetensors(path, file);
}

Checkpoint read_checkpoint(const std::string& path) {
  const ArrayFile file = read_safetensors(path, Checksum::required);
  Checkpoint checkpoint;
  for_each_field(checkpoint.position, [&](const char* name, auto& value) { read_field(file, path, name, value); });
  check_position(checkpoint.position, path);
  const std::string prefix = kOptimizer;
  for (const NamedArray& array : file.arrays) {
    const Tensor tensor = array.tensor();
    if (!all_finite(tensor))
      throw FormatError({.op = "checkpoint",
                         .path = path,
                         .what = cat("'", array.name, "' is not finite"),
                         .hint = "the file is damaged: take an earlier copy"});
    if (array.name == cat(kCarried, checkpoint.carried.size())) checkpoint.carried.push_back(tensor);
    else if (array.name.starts_with(prefix)) checkpoint.moments.emplace_back(array.name.substr(prefix.size()), tensor);
    else checkpoint.weights.emplace_back(array.name, tensor);
  }
  return checkpoint;
}

void restore(const Checkpoint& checkpoint, ParamStore& params, Optimizer& optimizer) {
  params.check_fits(checkpoint.weights);
  optimizer.check_fits(checkpoint.moments);  // before a parameter changes
  params.load(checkpoint.weights);
  optimizer.load(checkpoint.moments);
}

Position load_checkpoint(const std::string& path, ParamStore& params, Optimizer& optimizer) {
  const Checkpoint checkpoint = read_checkpoint(path);
  restore(checkpoint, params, optimizer);
  return checkpoint.position;
}

}  // namespace weft
