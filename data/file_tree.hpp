#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace weft {

using Bytes = std::vector<std::uint8_t>;

/// Files in memory by their path in a folder, such as "train/n02124075/images/n02124075_0.JPEG".
using FileTree = std::map<std::string, Bytes>;

/// Whether a file is to be read; may throw for one that has no business there.
using PathFilter = std::function<bool(const std::string& path)>;

/// Reads one file. Throws FormatError if it is missing, unreadable, no regular file or of more than `most` bytes.
Bytes read_file(const std::string& path, std::int64_t most);

/// Names in a folder, sorted, without the hidden ones. Throws FormatError if it is no folder or cannot be read.
std::vector<std::string> names_in(const std::string& folder);

/// Reads the files that are wanted, at most three folders below `folder`; hidden ones are passed over, links are followed.
/// Throws FormatError, naming the file or folder, if one cannot be read, has more than 4 MiB or lies deeper, or all have more than 2 GiB.
FileTree read_folder(const std::string& folder, const PathFilter& wanted);

/// Reads the files that are wanted from a plain tar (any dialect that libarchive knows), whose paths may have "./" in them and begin with
/// `root`. Writes nothing to disk, allocates at most 4 MiB for a member that it refuses.
/// Throws FormatError, naming the member, if one leads out of the tree, is neither a file nor a folder, comes twice, is sparse or larger
/// than read_folder allows, or if the archive is cut off or is no tar.
FileTree read_tar(const std::string& path, const std::string& root, const PathFilter& wanted);

}  // namespace weft
