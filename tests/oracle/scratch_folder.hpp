#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include <weft/core/random.hpp>

namespace weft::oracle {

/// A folder of its own for one test case, gone with it.
class ScratchFolder {
 public:
  ScratchFolder() : path_((std::filesystem::temp_directory_path() / "weft-test-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no scratch folder at " + path_);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  /// Writes a file (and the folders above it) and gives its path.
  std::string write(const std::string& name, const std::string& bytes) const {
    const std::filesystem::path file = std::filesystem::path(path_) / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary | std::ios::trunc).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return file.string();
  }

 private:
  std::string path_;
};

inline std::string file_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// The i-th mutation of some bytes: one to four of flip a bit, set a byte to an extreme, cut off, append, drop or repeat a piece.
inline std::string mutated(std::string bytes, std::uint64_t i) {
  const Random draws(i, hash_name("mutation"));
  std::uint64_t next = 1;
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(draws.below(next++, static_cast<std::uint32_t>(n))); };
  for (std::uint32_t step = 0; step <= draws.below(0, 4); ++step) {
    if (bytes.empty()) return bytes;
    const std::size_t at = below(bytes.size());
    switch (below(6)) {
      case 0: bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8))); break;
      case 1: bytes[at] = "\x00\xff\x7f\x80"[below(4)]; break;
      case 2: bytes.resize(at); break;
      case 3: bytes += std::string(1 + below(9), static_cast<char>(below(256))); break;
      case 4: bytes.erase(at, 1 + below(9)); break;
      default: bytes.insert(at, bytes.substr(below(bytes.size()), 1 + below(9))); break;
    }
  }
  return bytes;
}

}  // namespace weft::oracle
