#include <weft/data/locate.hpp>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <system_error>
#include <utility>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>
#include <weft/data/idx_images.hpp>
#include <weft/data/image_folder.hpp>
#include <weft/data/tiny_imagenet.hpp>
#include <weft/data/tokens.hpp>

namespace weft {

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string{} : std::string(value);
}

/// A set, or several of one form, that can be looked for.
template <class Data>
struct Wanted {
  std::vector<std::string> folders;                                            ///< what its folder is called, in order of preference
  std::string cache;                                                           ///< its folder among the caches
  std::function<std::vector<std::string>(const std::string& folder)> missing;  ///< the files that a folder lacks
  std::function<Data(const std::string& folder)> load;
  std::string not_found, hint;
  std::string forms = "each file may be .gz or plain";  ///< of the files, for an error text
};

Wanted<ImageData> mnist() {
  return {.folders = {"mnist", "fashion-mnist"},
          .cache = "mnist",
          .missing = missing_idx_files,
          .load = load_idx_images,
          .not_found = "neither MNIST nor Fashion-MNIST was found",
          .hint = "apt install dataset-fashion-mnist, or give --data DIR with the four files of MNIST"};
}

Wanted<ImageData> cifar(CifarKind kind) {
  const bool ten = kind == CifarKind::ten;
  const std::string own = ten ? "cifar10" : "cifar100", official = ten ? "cifar-10-batches-bin" : "cifar-100-binary";
  const std::string files = ten ? "data_batch_1.bin to data_batch_5.bin and test_batch.bin" : "train.bin and test.bin";
  return {.folders = {own, official},
          .cache = own,
          .missing = [kind](const std::string& folder) { return missing_cifar_files(folder, kind); },
          .load = ten ? load_cifar10 : load_cifar100,
          .not_found = cat(name_of(kind), " was not found"),
          .hint = cat("give --data DIR with ", files, ", the binary version from https://www.cs.toronto.edu/~kriz/cifar.html")};
}

Wanted<ImageData> tiny_imagenet(int side) {
  return {.folders = {"tiny-imagenet", "tiny-imagenet-200"},
          .cache = "tiny-imagenet",
          .missing = [](const std::string& path) -> std::vector<std::string> {
            if (is_image_folder(path) || !tiny_imagenet_place(path).empty()) return {};
            return missing_tiny_imagenet_files(path);
          },
          .load =
              [side](const std::string& path) {
                return is_image_folder(path) ? load_image_folder(path, side) : load_tiny_imagenet(tiny_imagenet_place(path));
              },
          .not_found = "Tiny ImageNet was not found",
          .hint =
              "give --data DIR with tiny-imagenet-200/ as unpacked from https://cs231n.stanford.edu/tiny-imagenet-200.zip or a tar of "
              "it, or with images of your own in train/<class>/ and test/<class>/",
          .forms = "a plain tar of them called tiny-imagenet*.tar will do, or JPEGs of your own in train/<class>/ and test/<class>/"};
}

Wanted<TokenData> tokens(TokenSet set) {
  const bool ptb = set == TokenSet::ptb;
  const std::string own = ptb ? "ptb" : "wikitext2", official = ptb ? "penn-treebank" : "wikitext-2";
  return {.folders = {own, official},
          .cache = own,
          .missing = [set](const std::string& path) -> std::vector<std::string> {
            if (is_own_text(path)) return {};
            return missing_token_files(path, set);
          },
          .load = [set](const std::string& path) { return is_own_text(path) ? load_own_text(path) : load_tokens(path, set); },
          .not_found = cat(name_of(set), " was not found"),
          .hint = cat("give --data DIR with ", joined(token_files(set)), ", or a text of your own"),
          .forms = "each file may be .gz or plain; a text of your own is one file, or a folder with train.txt, valid.txt and test.txt"};
}

Wanted<TextData> ag_news(const AgNewsOptions& options) {
  return {.folders = {"ag_news", "ag_news_csv"},
          .cache = "ag_news",
          .missing = missing_ag_news_files,
          .load = [options](const std::string& folder) { return load_ag_news(folder, options); },
          .not_found = "AG News was not found",
          .hint = "give --data DIR with train.csv and test.csv, rows of a class, a title and a description or of a class and a text"};
}

template <class Data>
bool is_complete(const Wanted<Data>& wanted, const std::string& folder) {
  return wanted.missing(folder).empty();
}

/// A folder that the user named: it holds a set or the search ends here.
template <class Data>
Data load_named(const Wanted<Data>& wanted, const std::string& folder, const char* named_by) {
  if (is_complete(wanted, folder)) return wanted.load(folder);
  std::string below;
  for (const std::string& name : wanted.folders) {
    const std::string path = (std::filesystem::path(folder) / name).string();
    if (is_complete(wanted, path)) return wanted.load(path);
    below += cat(below.empty() ? "in " : " and in ", name, "/");
  }
  std::error_code ignored;
  const bool exists = std::filesystem::is_directory(folder, ignored), file = !exists && std::filesystem::exists(folder, ignored);
  throw FormatError({.op = named_by,
                     .path = folder,
                     .what = cat(exists ? "the folder lacks "
                                 : file ? "that is a file; wanted is a folder with "
                                        : "there is no such folder; wanted in it: ",
                                 joined(wanted.missing(folder))),
                     .detail = cat("looked there, ", below, " below it; ", wanted.forms),
                     .hint = "name a folder with these files, or name none and let weft look elsewhere"});
}

template <class Data>
std::string cache_of(const Wanted<Data>& wanted, const DataPlaces& places) {
  return places.caches.empty() ? std::string{} : (std::filesystem::path(places.caches) / wanted.cache).string();
}

/// The set that `data`, `weft_data` or the cache holds. Nothing if neither is named and the cache has none or a damaged one.
template <class Data>
std::optional<Data> look(const Wanted<Data>& wanted, const DataPlaces& places, std::vector<std::string>& remarks) {
  if (!places.data.empty()) return load_named(wanted, places.data, "--data");
  if (!places.weft_data.empty()) return load_named(wanted, places.weft_data, "WEFT_DATA");
  const std::string cache = cache_of(wanted, places);
  if (cache.empty() || !is_complete(wanted, cache)) return std::nullopt;
  try {
    return wanted.load(cache);
  } catch (const FormatError& error) {
    const std::string text = error.what();
    remarks.push_back(cat("the cache is damaged: ", text.substr(0, text.find('\n'))));
    return std::nullopt;
  }
}

/// `tried` are the places after the cache.
template <class Data>
[[noreturn]] void fail(const Wanted<Data>& wanted, const DataPlaces& places, std::vector<std::string> tried,
                       const std::vector<std::string>& remarks) {
  const std::string cache = cache_of(wanted, places);
  tried.insert(tried.begin(), cache.empty() ? "no cache (neither XDG_CACHE_HOME nor HOME is set)" : cache);
  std::string detail = "tried: " + joined(tried);
  for (const std::string& remark : remarks) detail += "\n  " + remark;
  throw FormatError({.op = "data", .what = wanted.not_found, .detail = detail, .hint = wanted.hint});
}

}  // namespace

DataPlaces data_places(const std::string& data) {
  DataPlaces places;
  places.data = data;
  places.weft_data = variable("WEFT_DATA");
  const std::string home = variable("HOME");
  std::string caches = variable("XDG_CACHE_HOME");
  if (caches.empty() && !home.empty()) caches = home + "/.cache";
  if (!caches.empty()) places.caches = caches + "/weft";
  places.mnist = mnist_download();
  places.system = {"/usr/share/datasets/fashion-mnist"};
  return places;
}

ImageData find_images(const DataPlaces& places, std::vector<std::string>& remarks) {
  const Wanted<ImageData> wanted = mnist();
  if (std::optional<ImageData> found = look(wanted, places, remarks)) return *std::move(found);
  const std::string cache = cache_of(wanted, places);
  if (!cache.empty() && !places.mnist.mirrors.empty() && download(places.mnist, cache, remarks)) {
    ImageData data = load_idx_images(cache);
    data.source += " (downloaded just now)";
    return data;
  }
  for (const std::string& folder : places.system)
    if (is_complete(wanted, folder)) return load_idx_images(folder);
  std::vector<std::string> tried = places.mnist.mirrors;
  tried.insert(tried.end(), places.system.begin(), places.system.end());
  fail(wanted, places, tried, remarks);
}

ImageData find_cifar(CifarKind kind, const DataPlaces& places, std::vector<std::string>& remarks) {
  const Wanted<ImageData> wanted = cifar(kind);
  if (std::optional<ImageData> found = look(wanted, places, remarks)) return *std::move(found);
  fail(wanted, places, {}, remarks);
}

ImageData find_tiny_imagenet(int side, const DataPlaces& places, std::vector<std::string>& remarks) {
  const Wanted<ImageData> wanted = tiny_imagenet(side);
  if (std::optional<ImageData> found = look(wanted, places, remarks)) return *std::move(found);
  fail(wanted, places, {}, remarks);
}

TokenData find_tokens(TokenSet set, const DataPlaces& places, std::vector<std::string>& remarks) {
  const Wanted<TokenData> wanted = tokens(set);
  if (std::optional<TokenData> found = look(wanted, places, remarks)) return *std::move(found);
  fail(wanted, places, {}, remarks);
}

TextData find_ag_news(const AgNewsOptions& options, const DataPlaces& places, std::vector<std::string>& remarks) {
  const Wanted<TextData> wanted = ag_news(options);
  if (std::optional<TextData> found = look(wanted, places, remarks)) return *std::move(found);
  fail(wanted, places, {}, remarks);
}

}  // namespace weft
