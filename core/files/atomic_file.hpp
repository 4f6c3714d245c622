#pragma once

#include <cstddef>
#include <string>

namespace weft {

/// Writes a file so that a reader, or a crash at any moment, sees the old one or the new one whole: the bytes go to
/// `path + ".partial"`, which commit() brings to the disk and renames. Without commit() the old file stays.
/// Every member throws FormatError, with the system's reason, if the disk refuses.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* bytes, std::size_t count);
  void commit();

 private:
  [[noreturn]] void fail(const char* doing) const;

  std::string path_, partial_;
  int descriptor_ = -1;
};

}  // namespace weft
