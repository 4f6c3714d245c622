#pragma once

#include <string>
#include <vector>

#include <weft/data/dataset.hpp>

namespace weft {

/// The two sets of https://www.cs.toronto.edu/~kriz/cifar.html, read from their binary version.
enum class CifarKind {
  ten,     ///< records of a label and 3,072 pixel bytes
  hundred  ///< records of a coarse label (of 20), a fine one (of 100) and 3,072 pixel bytes
};

/// "CIFAR-10" or "CIFAR-100".
const char* name_of(CifarKind kind);

/// The files of a set that `folder` lacks. Empty: the set can be loaded.
std::vector<std::string> missing_cifar_files(const std::string& folder, CifarKind kind);

/// Reads one file of records, plain or gzip. Their planes R, G, B of 32x32 become [h][w][c]; the label is the fine one.
/// Cost: memory of the images; a malformed file allocates at most a small multiple of its own size.
/// Throws FormatError, with the file and the byte, if it is no whole number of records, holds none or more than 200,000, or if a
/// label, the coarse one too, is of no class.
ImageSet read_cifar(const std::string& path, CifarKind kind);

/// Reads `data_batch_1.bin`, as many more as follow without gap, and `test_batch.bin`, each .gz (preferred) or plain, from a folder.
/// Throws FormatError as read_cifar, or naming the files that are missing.
ImageData load_cifar10(const std::string& folder);

/// Reads `train.bin` (or a first part of it, `train_first<records>.bin`) and `test.bin` as load_cifar10 does.
ImageData load_cifar100(const std::string& folder);

}  // namespace weft
