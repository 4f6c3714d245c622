#include <weft/data/idx_images.hpp>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdint>
#include <filesystem>
#include <utility>

#include <weft/core/error.hpp>
#include <weft/core/files/gzip_file.hpp>
#include <weft/core/files/idx.hpp>
#include <weft/core/random.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

constexpr std::array<const char*, 4> kNames{"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                                            "t10k-labels-idx1-ubyte"};

constexpr std::ptrdiff_t kLabelHeader = 8;  // bytes before the first label

/// A set's name by its test labels, wherever it lies.
std::string name_of_set(const ImageSet& test, const std::string& folder) {
  constexpr std::uint64_t kMnist = 0xfca1a11d31bd96bb, kFashionMnist = 0x25bdf8123f06fac3;
  const std::string labels(test.labels.begin(), test.labels.end());
  const std::uint64_t hash = hash_name(labels);
  if (hash == kMnist) return "MNIST";
  if (hash == kFashionMnist) return "Fashion-MNIST";
  return own_name(folder);
}

}  // namespace

std::vector<std::string> missing_idx_files(const std::string& folder) {
  std::vector<std::string> missing;
  for (const char* name : kNames)
    if (gzip_or_plain(folder, name).empty()) missing.push_back(cat(name, "[.gz]"));
  return missing;
}

ImageSet load_idx_pair(const std::string& images, const std::string& labels) {
  const IdxArray targets = read_idx(labels, 1);
  IdxArray pixels = read_idx(images, 3);
  const Shape& s = pixels.shape;
  if (s[0] != targets.shape[0])
    throw FormatError({.op = "idx",
                       .path = images,
                       .what = cat("byte 4 declares ", s[0], " images, byte 4 of '", labels, "' ", targets.shape[0], " labels"),
                       .hint = "the two files belong to different sets"});
  if (s.size() == 0 || s[1] > INT_MAX || s[2] > INT_MAX)
    throw FormatError({.op = "idx", .path = images, .what = cat("bytes 4 to 15 declare images of ", s.str(), ", which have no pixel")});
  ImageSet set{.lattice = {static_cast<int>(s[1]), static_cast<int>(s[2]), 1}, .classes = 0, .size = s[0], .pixels = {}, .labels = {}};
  set.pixels = std::move(pixels.bytes);
  set.labels.assign(targets.bytes.begin(), targets.bytes.end());
  set.classes = *std::max_element(set.labels.begin(), set.labels.end()) + 1;
  return set;
}

namespace {

/// Refuses the first label that `fits` does not hold for.
template <class Fits>
void check_labels(const ImageSet& set, const std::string& file, Fits fits, const std::string& why) {
  const auto wrong = std::find_if_not(set.labels.begin(), set.labels.end(), fits);
  if (wrong == set.labels.end()) return;
  throw FormatError({.op = "idx",
                     .path = file,
                     .what = cat("the label at byte ", kLabelHeader + (wrong - set.labels.begin()), " is ", *wrong, ", but ", why),
                     .hint = "the file is damaged, or its labels are not numbered from 0 without gap"});
}

/// The classes are those of the training labels, without gap; no test label lies outside.
void check_classes(const ImageData& data, const std::string& train_labels, const std::string& test_labels) {
  std::vector<bool> occurs(static_cast<std::size_t>(data.train.classes) + 1);
  for (const std::int32_t label : data.train.labels) occurs[static_cast<std::size_t>(label)] = true;
  const std::int32_t absent = static_cast<std::int32_t>(std::find(occurs.begin(), occurs.end(), false) - occurs.begin());
  check_labels(
      data.train, train_labels, [&](std::int32_t label) { return label < absent; }, cat("no training label is ", absent));
  check_labels(
      data.test, test_labels, [&](std::int32_t label) { return label < absent; },
      cat("the training labels have ", data.train.classes, " classes"));
}

}  // namespace

ImageData load_idx_images(const std::string& folder) {
  const std::vector<std::string> missing = missing_idx_files(folder);
  if (!missing.empty()) throw FormatError({.op = "idx", .path = folder, .what = cat("the folder lacks ", joined(missing))});
  const auto load = [&](std::size_t images) {
    return load_idx_pair(gzip_or_plain(folder, kNames[images]), gzip_or_plain(folder, kNames[images + 1]));
  };
  ImageData data{.name = {}, .source = folder, .train = load(0), .test = load(2)};
  if (!(data.train.lattice == data.test.lattice))
    throw FormatError(
        {.op = "idx",
         .path = folder,
         .what = cat("the training images are ", data.train.lattice.shape().str(), ", the test images ", data.test.lattice.shape().str())});
  check_classes(data, gzip_or_plain(folder, kNames[1]), gzip_or_plain(folder, kNames[3]));
  data.test.classes = data.train.classes;
  data.name = name_of_set(data.test, folder);
  return data;
}

}  // namespace weft
