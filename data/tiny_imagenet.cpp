#include <weft/data/tiny_imagenet.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>
#include <weft/data/file_tree.hpp>
#include <weft/data/jpeg.hpp>

namespace weft {

namespace {

constexpr Lattice kLattice{64, 64, 3};
constexpr const char* kRoot = "tiny-imagenet-200";
constexpr const char* kWnids = "wnids.txt";
constexpr const char* kAnnotations = "val/val_annotations.txt";
constexpr const char* kTestImages = "val/images";

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts;
  for (const std::filesystem::path& part : std::filesystem::path(path)) parts.push_back(part.string());
  return parts;
}

/// The class of train/<wnid>/images/<name>.JPEG; empty for any other path.
std::string wnid_of(const std::string& path) {
  const std::vector<std::string> p = parts_of(path);
  return p.size() == 4 && p[0] == "train" && p[2] == "images" && is_jpeg_name(p[3]) ? p[1] : std::string{};
}

bool is_test_image(const std::string& path) { return std::filesystem::path(path).parent_path() == kTestImages && is_jpeg_name(path); }

/// Files that the official tree has and that nothing is learnt from.
bool is_of_no_use(const std::string& path) {
  const std::vector<std::string> p = parts_of(path);
  return path == "words.txt" || p[0] == "test" || (p.size() == 3 && p[0] == "train" && p[2] == p[1] + "_boxes.txt");
}

/// "n01_2.JPEG" before "n01_10.JPEG".
bool numbered_before(const std::string& a, const std::string& b) { return a.size() != b.size() ? a.size() < b.size() : a < b; }

/// The files of a tree and the labels they stand for.
class Tree {
 public:
  Tree(std::string source, FileTree files) : source_(std::move(source)), files_(std::move(files)) { read_wnids(); }

  ImageSet train() const {
    std::vector<std::vector<std::string>> of_class(wnids_.size());
    for (const auto& [path, bytes] : files_)
      if (const std::string wnid = wnid_of(path); !wnid.empty()) of_class[static_cast<std::size_t>(label_of(wnid, path))].push_back(path);
    std::vector<std::string> paths;
    std::vector<std::int32_t> labels;
    for (std::size_t label = 0; label < wnids_.size(); ++label) {
      std::vector<std::string>& its = of_class[label];
      if (its.empty()) refuse(cat("train/", wnids_[label], "/images/ holds no image"));
      std::sort(its.begin(), its.end(), numbered_before);
      paths.insert(paths.end(), its.begin(), its.end());
      labels.resize(paths.size(), static_cast<std::int32_t>(label));
    }
    return decoded(paths, std::move(labels));
  }

  ImageSet test() const {
    const std::map<std::string, std::int32_t> annotations = read_annotations();
    std::vector<std::string> paths;
    for (const auto& [path, bytes] : files_)
      if (is_test_image(path)) paths.push_back(path);
    std::sort(paths.begin(), paths.end(), numbered_before);
    std::vector<std::int32_t> labels;
    for (const std::string& path : paths) {
      const auto found = annotations.find(path);
      if (found == annotations.end()) refuse(cat(path, " has no line in ", kAnnotations));
      labels.push_back(found->second);
    }
    if (paths.empty()) refuse(cat(kTestImages, " holds no image"));
    for (const auto& [path, label] : annotations)
      if (files_.count(path) == 0) refuse(cat(path, " is annotated but missing"));
    return decoded(paths, std::move(labels));
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw FormatError({.op = "tiny-imagenet",
                       .path = source_,
                       .what = what,
                       .hint = "the tree must be as unpacked from tiny-imagenet-200.zip, or cut to fewer classes in all its parts"});
  }

  /// Lines without their ends, those behind the last word left out.
  std::vector<std::string> lines_of(const std::string& path) const {
    const auto found = files_.find(path);
    if (found == files_.end()) refuse(cat(path, " is missing"));
    std::istringstream in(std::string(found->second.begin(), found->second.end()));
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) {
      if (line.ends_with('\r')) line.pop_back();
      lines.push_back(std::move(line));
    }
    while (!lines.empty() && lines.back().empty()) lines.pop_back();
    return lines;
  }

  void read_wnids() {
    wnids_ = lines_of(kWnids);
    if (wnids_.empty()) refuse(cat(kWnids, " names no class"));
    for (std::size_t i = 0; i < wnids_.size(); ++i) {
      if (wnids_[i].empty() || wnids_[i].find_first_of(" \t/") != std::string::npos)
        refuse(cat("line ", i + 1, " of ", kWnids, " is no wnid: '", wnids_[i], "'"));
      if (!labels_.emplace(wnids_[i], static_cast<std::int32_t>(i)).second)
        refuse(cat("line ", i + 1, " of ", kWnids, " names ", wnids_[i], " again"));
    }
  }

  /// `where` is the place that names the wnid.
  std::int32_t label_of(const std::string& wnid, const std::string& where) const {
    const auto found = labels_.find(wnid);
    if (found == labels_.end()) refuse(cat(where, " names '", wnid, "', which is not in ", kWnids));
    return found->second;
  }

  /// Labels by path. A line is: file, tab, wnid, tab, box.
  std::map<std::string, std::int32_t> read_annotations() const {
    std::map<std::string, std::int32_t> annotations;
    const std::vector<std::string> lines = lines_of(kAnnotations);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const std::string where = cat("line ", i + 1, " of ", kAnnotations);
      const std::size_t first = lines[i].find('\t');
      if (first == std::string::npos || first == 0) refuse(cat(where, " is not a file and a wnid with a tab between them"));
      const std::string wnid = lines[i].substr(first + 1, lines[i].find('\t', first + 1) - first - 1);
      const std::string path = cat(kTestImages, "/", lines[i].substr(0, first));
      if (!annotations.emplace(path, label_of(wnid, where)).second) refuse(cat(where, " annotates ", path, " again"));
    }
    return annotations;
  }

  ImageSet decoded(const std::vector<std::string>& paths, std::vector<std::int32_t> labels) const {
    return draw_images(kLattice, static_cast<int>(wnids_.size()), std::move(labels), [&](std::int64_t i, std::uint8_t* pixels) {
      const std::string& path = paths[static_cast<std::size_t>(i)];
      Jpeg jpeg(files_.at(path), cat(source_, "/", path));
      if (jpeg.height() != kLattice.h || jpeg.width() != kLattice.w)
        refuse(cat(path, " is ", jpeg.width(), " pixels wide and ", jpeg.height(), " high, every image must be 64x64"));
      jpeg.decode(pixels);
    });
  }

  std::string source_;
  FileTree files_;
  std::vector<std::string> wnids_;
  std::map<std::string, std::int32_t> labels_;
};

/// The tar in a folder, of several the one with the shortest name; empty if there is none.
std::string tar_in(const std::string& folder) {
  std::string shortest;
  for (const std::string& name : names_in(folder))
    if (name.starts_with("tiny-imagenet") && name.ends_with(".tar") && (shortest.empty() || numbered_before(name, shortest)))
      shortest = name;
  return shortest.empty() ? shortest : (std::filesystem::path(folder) / shortest).string();
}

}  // namespace

std::vector<std::string> missing_tiny_imagenet_files(const std::string& folder) {
  std::vector<std::string> missing;
  std::error_code ignored;
  for (const char* name : {kWnids, "train/", "val/"})
    if (!std::filesystem::exists(std::filesystem::path(folder) / name, ignored)) missing.emplace_back(name);
  return missing;
}

std::string tiny_imagenet_place(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(path, ignored)) return path;
  if (!std::filesystem::is_directory(path, ignored)) return {};
  const std::string below = (std::filesystem::path(path) / kRoot).string();
  for (const std::string& folder : {path, below})
    if (missing_tiny_imagenet_files(folder).empty()) return folder;
  return tar_in(path);
}

ImageData load_tiny_imagenet(const std::string& path) {
  std::error_code ignored;
  const auto wanted = [&](const std::string& file) {
    if (file == kWnids || file == kAnnotations || is_test_image(file) || !wnid_of(file).empty()) return true;
    if (is_of_no_use(file)) return false;
    throw FormatError({.op = "tiny-imagenet",
                       .path = path,
                       .what = cat("'", file, "' is no file of Tiny ImageNet"),
                       .hint = "images are train/<wnid>/images/*.JPEG and val/images/*.JPEG; move anything else away"});
  };
  const Tree tree(path, std::filesystem::is_directory(path, ignored) ? read_folder(path, wanted) : read_tar(path, kRoot, wanted));
  return {.name = "Tiny ImageNet", .source = path, .train = tree.train(), .test = tree.test()};
}

}  // namespace weft
