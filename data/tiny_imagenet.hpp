#pragma once

#include <string>
#include <vector>

#include <weft/data/dataset.hpp>

namespace weft {

/// Names the set where a kind of images is asked for.
struct TinyImageNet {};

/// What a folder lacks of wnids.txt, train/ and val/. Empty: it may be loaded.
std::vector<std::string> missing_tiny_imagenet_files(const std::string& folder);

/// Where a folder holds Tiny ImageNet (https://cs231n.stanford.edu/tiny-imagenet-200.zip, unpacked): the folder itself if it
/// lacks nothing, else tiny-imagenet-200/ in it, else the tar in it called tiny-imagenet*.tar, of several the one with
/// the shortest name. A path to a tar is its own place. Empty if there is none.
std::string tiny_imagenet_place(const std::string& path);

/// Reads the 64x64 images of train/<wnid>/images/ and val/images/, which becomes the test set, of the official tree: a folder, or a
/// plain tar of it. Labels are lines of wnids.txt, of which there may be fewer than 200; images are ordered by label, then by
/// number (test images by number alone), whatever the order in the folder or tar. What else the official tree has is passed over.
/// Cost: memory of the images and of all JPEGs as they are stored; a malformed tree as much as its files at most.
/// Throws FormatError, naming the file or member, as read_folder, read_tar and Jpeg, or if an image is not 64x64, a wnid is unknown or
/// there twice, a class has no training images, a test image has no annotation or an annotation no image, or if a file is none of
/// the official tree's.
ImageData load_tiny_imagenet(const std::string& path);

}  // namespace weft
