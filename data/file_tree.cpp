#include <weft/data/file_tree.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <system_error>
#include <utility>

#include <archive.h>
#include <archive_entry.h>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

constexpr std::int64_t kMostFileBytes = std::int64_t{1} << 22;  // a hundred times an image of 64x64, ten times the official annotations
constexpr std::int64_t kMostBytes = std::int64_t{1} << 31;      // eight times the official set
constexpr int kDepth = 3;                                       // train/<wnid>/images/

bool hidden(const std::string& name) { return name.starts_with('.'); }

/// Adds to a tree as long as it stays within kMostBytes.
class Growing {
 public:
  explicit Growing(std::string source) : source_(std::move(source)) {}

  void add(const std::string& path, Bytes bytes) {
    total_ += static_cast<std::int64_t>(bytes.size());
    if (total_ > kMostBytes)
      throw FormatError(
          {.op = "data", .path = source_, .what = cat("with ", path, " there are more than ", kMostBytes, " bytes of files")});
    if (!tree_.emplace(path, std::move(bytes)).second)
      throw FormatError({.op = "data", .path = source_, .what = cat(path, " is there twice")});
  }
  FileTree take() { return std::move(tree_); }

 private:
  std::string source_;
  FileTree tree_;
  std::int64_t total_ = 0;
};

/// `below` is the path of `folder` in the tree, with a slash behind it unless it is empty.
void add_folder(Growing& tree, const std::filesystem::path& folder, const std::string& below, int depth, const PathFilter& wanted) {
  for (const std::string& name : names_in(folder.string())) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(folder / name, ignored)) {
      if (wanted(below + name)) tree.add(below + name, read_file((folder / name).string(), kMostFileBytes));
    } else if (depth < kDepth) {
      add_folder(tree, folder / name, below + name + "/", depth + 1, wanted);
    } else {
      throw FormatError({.op = "data",
                         .path = (folder / name).string(),
                         .what = cat("the folder is more than ", kDepth, " folders deep, where no file is read"),
                         .hint = "move it away"});
    }
  }
}

/// A tar, member by member, each checked before it is given.
class Tar {
 public:
  explicit Tar(const std::string& path) : path_(path), archive_(archive_read_new(), archive_read_free) {
    std::error_code failure;
    if (!std::filesystem::is_regular_file(path, failure))
      throw FormatError({.op = "tar", .path = path, .what = failure ? failure.message() : "not a regular file"});
    if (archive_ == nullptr) throw OutOfMemory({.op = "tar", .path = path, .what = "libarchive could not start"});
    archive_read_support_format_tar(archive_.get());
    if (archive_read_open_filename(archive_.get(), path.c_str(), std::size_t{1} << 16) != ARCHIVE_OK) refuse_archive();
  }

  /// Goes to the next file; false behind the last.
  bool next() {
    do {
      const int code = archive_read_next_header(archive_.get(), &entry_);
      if (code == ARCHIVE_EOF) return check_end(), false;
      if (code != ARCHIVE_OK) refuse_archive();
      check();
    } while (archive_entry_filetype(entry_) == AE_IFDIR);
    return true;
  }

  /// The member's path without "." or empty parts.
  const std::string& name() const { return name_; }

  Bytes read() {
    Bytes bytes(static_cast<std::size_t>(archive_entry_size(entry_)));
    std::size_t done = 0;
    while (done < bytes.size()) {
      const la_ssize_t got = archive_read_data(archive_.get(), bytes.data() + done, bytes.size() - done);
      if (got < 0) refuse_archive();
      if (got == 0) refuse(cat("has ", done, " of ", bytes.size(), " bytes"));
      done += static_cast<std::size_t>(got);
    }
    return bytes;
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw FormatError({.op = "tar", .path = path_, .what = cat("the member '", name_, "' ", what)});
  }

  [[noreturn]] void refuse_archive() const {
    const char* said = archive_error_string(archive_.get());
    throw FormatError({.op = "tar",
                       .path = path_,
                       .what = cat(said != nullptr ? said : "the archive is damaged", name_.empty() ? "" : cat(", after '", name_, "'")),
                       .hint = "the archive must be a plain, whole tar; unpack any other and name the folder"});
  }

  void check() {
    const char* name = archive_entry_pathname(entry_);
    name_ = name != nullptr ? name : "";
    if (name_.empty()) refuse("has no name that can be read");
    if (name_.starts_with('/')) refuse("has an absolute path");
    for (const std::filesystem::path& part : std::filesystem::path(name_))
      if (part == "..") refuse("leads out of its folder");
    name_ = std::filesystem::path(name_).lexically_normal().string();
    const auto type = archive_entry_filetype(entry_);
    const bool links = archive_entry_hardlink(entry_) != nullptr || archive_entry_symlink(entry_) != nullptr;
    if (links || (type != AE_IFREG && type != AE_IFDIR)) refuse("is neither a file nor a folder");
    if (archive_entry_sparse_count(entry_) > 0) refuse("is a sparse file");
    const std::int64_t size = archive_entry_size_is_set(entry_) != 0 ? archive_entry_size(entry_) : -1;
    if (size < 0 || size > kMostFileBytes) refuse(cat("has ", size, " bytes; at most ", kMostFileBytes, " are read"));
  }

  /// What libarchive does not ask: that blocks of zeros end the tar, as they must (POSIX.1, pax) unless it is cut off between two members,
  /// and that nothing follows them, as a second tar would.
  void check_end() const {
    constexpr int kBlock = 512;
    const auto refuse_end = [&](const std::string& what, const std::string& hint) {
      throw FormatError({.op = "tar", .path = path_, .what = cat(what, name_.empty() ? "" : cat(", after '", name_, "'")), .hint = hint});
    };
    char block[kBlock] = {};
    std::ifstream in(path_, std::ios::binary);
    in.seekg(archive_read_header_position(archive_.get()));
    std::int64_t zeros = 0;
    while (in.read(block, kBlock), in.gcount() > 0) {
      if (std::any_of(block, block + in.gcount(), [](char byte) { return byte != 0; }))
        refuse_end("more bytes follow the end of the archive", "of tars one behind the other only the first is read: unpack them all");
      zeros += in.gcount();
    }
    if (zeros < kBlock) refuse_end("the archive lacks the blocks of zeros that end a tar", "it is cut off: fetch it again");
  }

  std::string path_, name_;
  std::unique_ptr<archive, int (*)(archive*)> archive_;
  archive_entry* entry_ = nullptr;
};

}  // namespace

Bytes read_file(const std::string& path, std::int64_t most) {
  const auto refuse = [&](const std::string& what) { throw FormatError({.op = "data", .path = path, .what = what}); };
  std::error_code failure;
  if (!std::filesystem::is_regular_file(path, failure)) refuse(failure ? failure.message() : "not a regular file");
  const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path, failure));
  if (failure) refuse(failure.message());
  if (size > most) refuse(cat("the file has ", size, " bytes; at most ", most, " are read"));
  Bytes bytes(static_cast<std::size_t>(size));
  std::ifstream in(path, std::ios::binary);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  if (!in) refuse("the file cannot be read");
  return bytes;
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code failure;
  for (std::filesystem::directory_iterator entry(folder, failure), end; !failure && entry != end; entry.increment(failure))
    if (std::string name = entry->path().filename().string(); !hidden(name)) names.push_back(std::move(name));
  if (failure) throw FormatError({.op = "data", .path = folder, .what = cat("the folder cannot be read: ", failure.message())});
  std::sort(names.begin(), names.end());
  return names;
}

FileTree read_folder(const std::string& folder, const PathFilter& wanted) {
  Growing tree(folder);
  add_folder(tree, folder, "", 0, wanted);
  return tree.take();
}

FileTree read_tar(const std::string& path, const std::string& root, const PathFilter& wanted) {
  Growing tree(path);
  Tar tar(path);
  while (tar.next()) {
    std::string name = tar.name();
    if (name.starts_with(root + "/")) name.erase(0, root.size() + 1);
    const std::size_t slash = name.rfind('/');
    if (hidden(name.substr(slash == std::string::npos ? 0 : slash + 1)) || !wanted(name)) continue;
    tree.add(name, tar.read());
  }
  return tree.take();
}

}  // namespace weft
