#pragma once

#include <string>

#include <weft/data/dataset.hpp>

namespace weft {

/// Whether a folder is laid out for load_image_folder: it has train/, and neither wnids.txt nor train/<class>/images/, which are Tiny
/// ImageNet's.
bool is_image_folder(const std::string& folder);

/// Reads train/<class>/*.jpg and test/<class>/*.jpg of a user's own images, and val/<class>/*.jpg for validation (for the test where there
/// is no test/): a folder for each class, classes in the order of their names' bytes, and so the images of a class. .jpeg and .JPEG are
/// JPEGs too; hidden files are passed over. Of each image the central square is resized to side x side by a triangle filter that is widened
/// where it shrinks, on the stored values: PIL's bilinear filter but for rounding and the border, where the outermost pixels are repeated.
/// Cost: memory of the resized images, and of one image, at most 2^26 pixels and 64 MiB, as it is stored for each thread.
/// Throws ConfigError unless side is in [8, 1024] and the resized images of a set take at most 8 GiB; FormatError, naming the folder or
/// file, if there is neither test/ nor val/, if one has other classes than train/ or is, as a link may be, train/ or a class of it, and for
/// fewer than two classes, a class without images, an image in no class's folder, a folder or a file that is no JPEG among the images, a
/// link that leads nowhere, or as Jpeg.
ImageData load_image_folder(const std::string& folder, int side);

}  // namespace weft
