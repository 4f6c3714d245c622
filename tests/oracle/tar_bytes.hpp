#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace weft::oracle {

struct TarMember {
  std::string name, bytes;
  char type = '0';        ///< 0 file, 1 hard link, 2 symbolic link, 3 device, 5 folder, 6 pipe
  std::string link;       ///< what a link points to
  std::string size = {};  ///< the field as it stands there; empty: that of the bytes
};

/// A ustar archive (POSIX.1-1988) with whatever a header is made to say, its checksum right.
inline std::string tar_bytes(const std::vector<TarMember>& members) {
  std::string archive;
  for (const TarMember& m : members) {
    std::string header(512, '\0');
    const auto put = [&](std::size_t at, const std::string& text) { header.replace(at, text.size(), text); };
    char octal[12];
    std::snprintf(octal, sizeof octal, "%011zo", m.bytes.size());
    put(0, m.name.substr(0, 100));
    put(100, "0000644");
    put(124, m.size.empty() ? std::string(octal) : m.size);
    put(136, "00000000000");
    put(148, "        ");
    put(156, std::string(1, m.type));
    put(157, m.link);
    put(257, std::string("ustar\0"
                         "00",
                         8));
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    std::snprintf(octal, sizeof octal, "%06o", sum);
    put(148, std::string(octal, 7));
    archive += header + m.bytes + std::string((512 - m.bytes.size() % 512) % 512, '\0');
  }
  return archive + std::string(1024, '\0');
}

}  // namespace weft::oracle
