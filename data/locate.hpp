#pragma once

#include <string>
#include <vector>

#include <weft/data/ag_news.hpp>
#include <weft/data/cifar.hpp>
#include <weft/data/dataset.hpp>
#include <weft/data/download.hpp>
#include <weft/data/text_set.hpp>
#include <weft/data/tokens.hpp>

namespace weft {

/// Where to look for data, in this order.
struct DataPlaces {
  std::string data;                 ///< --data: a folder with a set's files, or with the set's folder (such as mnist/) in it; "": not given
  std::string weft_data;            ///< WEFT_DATA: the same
  std::string caches;               ///< weft's folder of caches, each set in one below it (mnist, cifar10, ...); "": none
  DownloadOptions mnist;            ///< no mirror: never download
  std::vector<std::string> system;  ///< folders of installed packages, of sets in MNIST's form
};

/// The places of this machine: `data`, the environment's WEFT_DATA and WEFT_MNIST_MIRROR, `weft` in $XDG_CACHE_HOME or ~/.cache,
/// and the folder of Debian's package.
DataPlaces data_places(const std::string& data = "");

/// Finds MNIST, else Fashion-MNIST: `data`, `weft_data`, the cache, a download into the cache, system packages.
/// Each place that failed leaves a line in `remarks`, to be shown to the user.
/// Throws FormatError if `data` or `weft_data` is given and holds no complete set (naming the four files), if a file found there
/// or in a package is malformed, or if nothing is found (naming the places tried and the package to install).
ImageData find_images(const DataPlaces& places, std::vector<std::string>& remarks);

/// Finds CIFAR-10 or CIFAR-100 as find_images does, but for a download and packages: `data`, `weft_data`, the cache. A set's folder
/// is called cifar10 or cifar-10-batches-bin, cifar100 or cifar-100-binary.
ImageData find_cifar(CifarKind kind, const DataPlaces& places, std::vector<std::string>& remarks);

/// Finds Tiny ImageNet as find_cifar does, in a folder called tiny-imagenet or tiny-imagenet-200, as tiny_imagenet_place says; `data`
/// and `weft_data` may also name its tar. A folder with images of the user's own (is_image_folder), resized to side x side, serves in
/// its place wherever it is looked for.
/// Throws also as load_tiny_imagenet and load_image_folder.
ImageData find_tiny_imagenet(int side, const DataPlaces& places, std::vector<std::string>& remarks);

/// Finds WikiText-2 or the Penn Treebank as find_cifar does, in a folder called wikitext2 or wikitext-2, ptb or penn-treebank. A text of
/// the user's own (is_own_text) serves in its place wherever it is looked for. Throws also as load_tokens and load_own_text.
TokenData find_tokens(TokenSet set, const DataPlaces& places, std::vector<std::string>& remarks);

/// Finds AG News, or texts of the user's own in its form, as find_cifar does, in a folder called ag_news or ag_news_csv. Throws also as
/// load_ag_news.
TextData find_ag_news(const AgNewsOptions& options, const DataPlaces& places, std::vector<std::string>& remarks);

}  // namespace weft
