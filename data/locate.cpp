#include <weft/data/locate.hpp>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>
#include <weft/data/idx_images.hpp>

namespace weft {

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string{} : std::string(value);
}

bool is_complete(const std::string& folder) { return missing_idx_files(folder).empty(); }

/// A folder that the user named: it holds a set or the search ends here.
ImageData load_named(const std::string& folder, const char* named_by) {
  for (const char* inside : {"", "mnist", "fashion-mnist"}) {
    const std::filesystem::path path = *inside ? std::filesystem::path(folder) / inside : std::filesystem::path(folder);
    if (is_complete(path.string())) return load_idx_images(path.string());
  }
  std::error_code ignored;
  const bool exists = std::filesystem::is_directory(folder, ignored);
  throw FormatError(
      {.op = named_by,
       .path = folder,
       .what = cat(exists ? "the folder lacks " : "there is no such folder; wanted in it: ", joined(missing_idx_files(folder))),
       .detail = "looked there, in mnist/ and in fashion-mnist/ below it; each file may be .gz or plain",
       .hint = "name a folder with these four files, or name none and let weft look elsewhere"});
}

[[noreturn]] void fail(const ImagePlaces& places, const std::vector<std::string>& remarks) {
  std::vector<std::string> tried{places.cache.empty() ? "no cache (neither XDG_CACHE_HOME nor HOME is set)" : places.cache};
  tried.insert(tried.end(), places.mnist.mirrors.begin(), places.mnist.mirrors.end());
  tried.insert(tried.end(), places.system.begin(), places.system.end());
  std::string detail = "tried: " + joined(tried);
  for (const std::string& remark : remarks) detail += "\n  " + remark;
  throw FormatError({.op = "data",
                     .what = "neither MNIST nor Fashion-MNIST was found",
                     .detail = detail,
                     .hint = "apt install dataset-fashion-mnist, or give --data DIR with the four files of MNIST"});
}

}  // namespace

ImagePlaces image_places(const std::string& data) {
  ImagePlaces places;
  places.data = data;
  places.weft_data = variable("WEFT_DATA");
  const std::string home = variable("HOME");
  std::string caches = variable("XDG_CACHE_HOME");
  if (caches.empty() && !home.empty()) caches = home + "/.cache";
  if (!caches.empty()) places.cache = caches + "/weft/mnist";
  places.mnist = mnist_download();
  places.system = {"/usr/share/datasets/fashion-mnist"};
  return places;
}

ImageData find_images(const ImagePlaces& places, std::vector<std::string>& remarks) {
  if (!places.data.empty()) return load_named(places.data, "--data");
  if (!places.weft_data.empty()) return load_named(places.weft_data, "WEFT_DATA");
  if (!places.cache.empty() && is_complete(places.cache)) {
    try {
      return load_idx_images(places.cache);
    } catch (const FormatError& error) {
      const std::string text = error.what();
      remarks.push_back(cat("the cache is damaged: ", text.substr(0, text.find('\n'))));
    }
  }
  if (!places.cache.empty() && !places.mnist.mirrors.empty() && download(places.mnist, places.cache, remarks)) {
    ImageData data = load_idx_images(places.cache);
    data.source += " (downloaded just now)";
    return data;
  }
  for (const std::string& folder : places.system)
    if (is_complete(folder)) return load_idx_images(folder);
  fail(places, remarks);
}

}  // namespace weft
