#include <algorithm>

#include <weft/tests/fuzz/tiny_imagenet.hpp>
#include <weft/tests/oracle/jpeg_bytes.hpp>
#include <weft/tests/oracle/tar_bytes.hpp>

/// Any bytes as wnids.txt and, behind the first NUL, as val_annotations.txt, of a tree with two classes and two test images.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const std::string jpeg = weft::oracle::plain_jpeg(64, 64, 1, 2, 3);
  const std::string text(bytes, bytes + size);
  const std::size_t end = std::min(text.find('\0'), size);
  const std::string tar = weft::oracle::tar_bytes({{.name = "train/a/images/a_0.JPEG", .bytes = jpeg},
                                                   {.name = "train/b/images/b_0.JPEG", .bytes = jpeg},
                                                   {.name = "val/images/v_0.JPEG", .bytes = jpeg},
                                                   {.name = "val/images/v_1.JPEG", .bytes = jpeg},
                                                   {.name = "wnids.txt", .bytes = text.substr(0, end)},
                                                   {.name = "val/val_annotations.txt", .bytes = text.substr(std::min(end + 1, size))}});
  weft::fuzz::load_tar(reinterpret_cast<const std::uint8_t*>(tar.data()), tar.size());
  return 0;
}
