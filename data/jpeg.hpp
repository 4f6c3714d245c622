#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace weft {

/// Whether a file is called as JPEGs are: .jpg or .jpeg, in letters of either case.
bool is_jpeg_name(const std::string& name);

/// A JPEG file in memory whose header is read and whose pixels are not, so that its size is known before they take any memory.
/// libjpeg decodes it; what libjpeg warns of is an error here.
class Jpeg {
 public:
  /// `bytes` must outlive this; `file` names them in errors. Throws FormatError, with what libjpeg said, if they do not begin as a
  /// JPEG, if the colours are neither grey, YCbCr nor RGB, or if there are more than 2^26 pixels.
  Jpeg(std::span<const std::uint8_t> bytes, std::string file);
  ~Jpeg();
  Jpeg(const Jpeg&) = delete;
  Jpeg& operator=(const Jpeg&) = delete;

  int height() const;
  int width() const;

  /// Writes [height][width][3], red, green and blue as stored; grey gives three equal channels. Exif's orientation is not heeded.
  /// To be called once; what lies behind the image is not read.
  /// Cost: a few rows of memory, or 6 bytes a pixel if the image comes in several scans.
  /// Throws FormatError, with what libjpeg said, if the data are cut off or corrupt or come in more than 100 scans; OutOfMemory.
  void decode(std::uint8_t* pixels);

 private:
  struct Decoder;
  template <class Call>
  void run(Call call);

  std::string file_;
  std::unique_ptr<Decoder> decoder_;
};

}  // namespace weft
