#include <weft/data/image_folder.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include <stb/stb_image_resize.h>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>
#include <weft/data/file_tree.hpp>
#include <weft/data/jpeg.hpp>

namespace weft {

namespace {

constexpr std::int64_t kMostFileBytes = std::int64_t{1} << 26;
constexpr std::int64_t kMostBytes = std::int64_t{1} << 33;  // of resized images
constexpr int kLeastSide = 8, kMostSide = 1024;

[[noreturn]] void refuse(const std::string& path, const std::string& what, const std::string& hint) {
  throw FormatError({.op = "image folder", .path = path, .what = what, .hint = hint});
}

std::string below(const std::string& folder, const std::string& name) { return (std::filesystem::path(folder) / name).string(); }

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

/// The folders in a folder: the classes. What would be left out there without a word is refused: images, and links that lead nowhere.
std::vector<std::string> classes_in(const std::string& folder) {
  constexpr const char* kHint = "put the images of each class into a folder of its name";
  std::vector<std::string> classes;
  for (const std::string& name : names_in(folder)) {
    const std::string path = below(folder, name);
    std::error_code failure;
    const std::filesystem::file_status status = std::filesystem::status(path, failure);
    if (!std::filesystem::exists(status)) refuse(path, cat("it cannot be looked into: ", failure.message()), "mend it, or move it away");
    if (std::filesystem::is_directory(status)) classes.push_back(name);
    else if (is_jpeg_name(name)) refuse(path, "the image is in no class's folder", kHint);
  }
  if (classes.empty()) refuse(folder, "the folder holds no folder of a class", kHint);
  return classes;
}

/// The images of one class.
std::vector<std::string> images_in(const std::string& folder) {
  std::vector<std::string> paths;
  for (const std::string& name : names_in(folder)) {
    if (is_folder(below(folder, name)))
      refuse(below(folder, name), "a folder within the folder of a class", "put its images beside the class's other images");
    if (!is_jpeg_name(name)) refuse(below(folder, name), "not a .jpg or .jpeg file", "convert it to JPEG, or move it away");
    paths.push_back(below(folder, name));
  }
  if (paths.empty()) refuse(folder, "the class has no images", "add some, or remove the folder");
  return paths;
}

/// Throws unless what is measured on, `folder`, has the classes of train/ and none of its very folders.
void check_apart(const std::string& folder, const std::string& train, const std::vector<std::string>& classes) {
  const auto refuse_same = [](const std::string& path, const std::string& same) {
    refuse(path, cat("it is ", same, " itself: what is learnt would be measured on itself"), "set other images of each class aside for it");
  };
  std::error_code ignored;
  if (std::filesystem::equivalent(train, folder, ignored)) refuse_same(folder, "train/");
  const std::vector<std::string> names = classes_in(folder);
  for (const std::string& name : names) {
    if (!std::binary_search(classes.begin(), classes.end(), name))
      refuse(below(folder, name), cat("there is no class '", name, "' in train/"), "train on its images too, or remove the folder");
    for (const std::string& learnt : classes)
      if (std::filesystem::equivalent(below(folder, name), below(train, learnt), ignored))
        refuse_same(below(folder, name), "train/" + learnt);
  }
  for (const std::string& name : classes)
    if (!std::binary_search(names.begin(), names.end(), name))
      refuse(folder, cat("it has no class '", name, "', which train/ has"), "set some images of each class aside for it");
}

/// The central square of a picture [height][width][3], resized to [side][side][3].
void resize_square(const Bytes& picture, int height, int width, int side, std::uint8_t* to) {
  const int square = std::min(height, width), row = 3 * width;
  const std::uint8_t* from = picture.data() + std::int64_t{1} * ((height - square) / 2) * row + std::int64_t{3} * ((width - square) / 2);
  constexpr int kNoAlpha = STBIR_ALPHA_CHANNEL_NONE;
  if (stbir_resize_uint8_generic(from, square, square, row, to, side, side, 3 * side, 3, kNoAlpha, 0, STBIR_EDGE_CLAMP,
                                 STBIR_FILTER_TRIANGLE, STBIR_COLORSPACE_LINEAR, nullptr) == 0)
    throw OutOfMemory({.op = "image folder", .what = cat("no memory to resize an image of ", width, "x", height, " pixels")});
}

void draw(const std::string& path, int side, std::uint8_t* pixels) {
  const Bytes bytes = read_file(path, kMostFileBytes);
  Jpeg jpeg(bytes, path);
  Bytes picture(std::size_t{3} * static_cast<std::size_t>(jpeg.height()) * static_cast<std::size_t>(jpeg.width()));
  jpeg.decode(picture.data());
  resize_square(picture, jpeg.height(), jpeg.width(), side, pixels);
}

/// The images of a set, class after class.
struct Listing {
  std::vector<std::string> paths;
  std::vector<std::int32_t> labels;
};

Listing listed(const std::string& folder, const std::vector<std::string>& classes) {
  Listing all;
  for (std::size_t label = 0; label < classes.size(); ++label) {
    const std::vector<std::string> images = images_in(below(folder, classes[label]));
    all.paths.insert(all.paths.end(), images.begin(), images.end());
    all.labels.resize(all.paths.size(), static_cast<std::int32_t>(label));
  }
  return all;
}

ImageSet drawn(const Listing& all, std::size_t classes, int side) {
  const std::int64_t bytes = static_cast<std::int64_t>(all.paths.size()) * side * side * 3;
  if (bytes > kMostBytes)
    throw ConfigError(
        {.op = "image folder",
         .path = "side",
         .what = cat(all.paths.size(), " images of ", side, "x", side, " pixels take ", bytes, " bytes; at most ", kMostBytes, " are read"),
         .hint = "choose a smaller --side, or fewer images"});
  return draw_images({side, side, 3}, static_cast<int>(classes), all.labels,
                     [&](std::int64_t i, std::uint8_t* pixels) { draw(all.paths[static_cast<std::size_t>(i)], side, pixels); });
}

}  // namespace

bool is_image_folder(const std::string& folder) {
  const std::string train = below(folder, "train");
  std::error_code ignored;
  if (!is_folder(train) || std::filesystem::exists(below(folder, "wnids.txt"), ignored)) return false;
  const std::vector<std::string> names = names_in(train);
  return std::none_of(names.begin(), names.end(), [&](const std::string& name) { return is_folder(below(below(train, name), "images")); });
}

ImageData load_image_folder(const std::string& folder, int side) {
  if (side < kLeastSide || side > kMostSide)
    throw ConfigError({.op = "image folder",
                       .path = "side",
                       .what = cat("side is ", side, ", it must be in [", kLeastSide, ", ", kMostSide, "]"),
                       .hint = "64 is usual"});
  const std::string train = below(folder, "train"), test = below(folder, "test"), val = below(folder, "val");
  if (!is_folder(test) && !is_folder(val))
    refuse(folder, "there is neither test/ nor val/ beside train/", "move some images of each class from train/<class>/ to test/<class>/");
  const std::vector<std::string> classes = classes_in(train);
  if (classes.size() == 1)
    refuse(train, cat("'", classes.front(), "' is the only class: there is nothing to tell apart"),
           "put the images of each class into a folder of its name");
  std::vector<Listing> sets{listed(train, classes)};  // all that can be refused by its name is, before an image is decoded
  for (const std::string& part : {test, val}) {
    if (!is_folder(part)) continue;
    check_apart(part, train, classes);
    sets.push_back(listed(part, classes));
  }
  ImageData data;
  data.name = own_name(folder), data.source = folder;
  data.train = drawn(sets[0], classes.size(), side);
  data.test = drawn(sets[1], classes.size(), side);
  if (sets.size() == 3) data.validation = drawn(sets[2], classes.size(), side);
  return data;
}

}  // namespace weft
