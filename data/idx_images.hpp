#pragma once

#include <string>
#include <vector>

#include <weft/data/dataset.hpp>

namespace weft {

/// The four files of a set in MNIST's form that `folder` lacks, both as .gz and plain. Empty: the set is complete.
std::vector<std::string> missing_idx_files(const std::string& folder);

/// Reads one pair of idx files, images [n, h, w] and labels [n]; classes is the largest label + 1.
/// Throws FormatError if a file is malformed, the counts differ or there is no pixel.
ImageSet load_idx_pair(const std::string& images, const std::string& labels);

/// Reads `train-` and `t10k-` `images-idx3-ubyte` and `labels-idx1-ubyte`, .gz (preferred) or plain, from a folder. MNIST and
/// Fashion-MNIST are recognised by their test labels. The classes are those of the training labels.
/// Throws FormatError as load_idx_pair, if a file is missing (naming it), if the images of the two sets differ in size, or,
/// naming file and byte, if a class up to the largest does not occur in training or a test label is of none.
ImageData load_idx_images(const std::string& folder);

}  // namespace weft
