#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <jpeglib.h>

namespace weft::oracle {

struct JpegKind {
  int channels = 3;  ///< 1 grey, 3 RGB, 4 CMYK
  int quality = 100;
  bool progressive = false, scan_each = false;  ///< scan_each: a scan for each channel
};

/// Pixels [height][width][channels] as a JPEG without subsampled colours.
inline std::string jpeg_bytes(const std::string& pixels, int height, int width, JpegKind kind = {}) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* packed = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &packed, &size);
  info.image_height = static_cast<JDIMENSION>(height);
  info.image_width = static_cast<JDIMENSION>(width);
  info.input_components = kind.channels;
  info.in_color_space = kind.channels == 1 ? JCS_GRAYSCALE : kind.channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, kind.quality, TRUE);
  for (int c = 0; c < info.num_components; ++c) info.comp_info[c].h_samp_factor = info.comp_info[c].v_samp_factor = 1;
  const jpeg_scan_info scans[] = {{1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
  if (kind.scan_each) info.scan_info = scans, info.num_scans = 3;
  if (kind.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  const auto row = static_cast<std::size_t>(width * kind.channels);
  for (std::size_t y = 0; y < static_cast<std::size_t>(height); ++y) {
    auto* from = reinterpret_cast<JSAMPROW>(const_cast<char*>(pixels.data() + y * row));
    jpeg_write_scanlines(&info, &from, 1);
  }
  jpeg_finish_compress(&info);
  std::string bytes(reinterpret_cast<char*>(packed), size);
  jpeg_destroy_compress(&info);
  std::free(packed);
  return bytes;
}

/// A JPEG of one colour.
inline std::string plain_jpeg(int height, int width, unsigned char red, unsigned char green, unsigned char blue) {
  std::string pixels;
  for (int i = 0; i < height * width; ++i) pixels += {static_cast<char>(red), static_cast<char>(green), static_cast<char>(blue)};
  return jpeg_bytes(pixels, height, width);
}

}  // namespace weft::oracle
