#include <weft/data/jpeg.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <csetjmp>
#include <cstddef>
#include <cstdio>  // before jpeglib.h, which needs it and does not say so
#include <utility>

#include <jerror.h>
#include <jpeglib.h>

#include <weft/core/error.hpp>
#include <weft/core/text.hpp>

namespace weft {

namespace {

constexpr std::int64_t kMostPixels = std::int64_t{1} << 26;  // 8,192 x 8,192
constexpr long kMostMemory = 1L << 29;                       // of libjpeg: the coefficients of kMostPixels in three components fit
constexpr int kMostScans = 100;                              // progressive files of photographs have about 10

}  // namespace

/// libjpeg's state. It reports an error by a call that must not return: we jump back to where we called it.
struct Jpeg::Decoder {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf called;
  std::array<char, JMSG_LENGTH_MAX> message{};

  Decoder() {
    info.err = jpeg_std_error(&errors);
    errors.error_exit = fail;
    errors.emit_message = heed;
    info.client_data = this;
    progress.progress_monitor = limit_scans;
  }
  ~Decoder() { jpeg_destroy_decompress(&info); }

  static void fail(j_common_ptr info) {
    Decoder& decoder = *static_cast<Decoder*>(info->client_data);
    info->err->format_message(info, decoder.message.data());
    std::longjmp(decoder.called, 1);
  }

  /// Below level 0 are warnings: the data are corrupt, and libjpeg would go on with grey.
  static void heed(j_common_ptr info, int level) {
    if (level < 0) fail(info);
  }

  /// A few bytes can ask for one more pass over all coefficients.
  static void limit_scans(j_common_ptr info) {
    Decoder& decoder = *static_cast<Decoder*>(info->client_data);
    if (decoder.info.input_scan_number <= kMostScans) return;
    std::snprintf(decoder.message.data(), decoder.message.size(), "more than %d scans", kMostScans);
    std::longjmp(decoder.called, 1);
  }
};

/// Calls libjpeg. An error jumps out of `call`, so nothing in it may need a destructor.
template <class Call>
void Jpeg::run(Call call) {
  if (setjmp(decoder_->called) == 0) {
    call(decoder_->info);
    return;
  }
  const Report report{.op = "jpeg", .path = file_, .what = decoder_->message.data()};
  if (decoder_->errors.msg_code == JERR_OUT_OF_MEMORY) throw OutOfMemory(report);
  throw FormatError(report);
}

bool is_jpeg_name(const std::string& name) {
  std::string ending = name.substr(std::min(name.rfind('.'), name.size()));
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending == ".jpg" || ending == ".jpeg";
}

Jpeg::Jpeg(std::span<const std::uint8_t> bytes, std::string file) : file_(std::move(file)), decoder_(std::make_unique<Decoder>()) {
  run([&](jpeg_decompress_struct& info) {
    jpeg_create_decompress(&info);
    info.mem->max_memory_to_use = kMostMemory;
    info.progress = &decoder_->progress;
    jpeg_mem_src(&info, bytes.data(), static_cast<unsigned long>(bytes.size()));
    jpeg_read_header(&info, TRUE);
  });
  const jpeg_decompress_struct& info = decoder_->info;
  if (info.jpeg_color_space != JCS_GRAYSCALE && info.jpeg_color_space != JCS_YCbCr && info.jpeg_color_space != JCS_RGB)
    throw FormatError({.op = "jpeg",
                       .path = file_,
                       .what = cat("the image has ", info.num_components, " components, as CMYK has; only grey and RGB are read"),
                       .hint = "convert it to RGB"});
  if (std::int64_t{1} * info.image_width * info.image_height > kMostPixels)
    throw FormatError({.op = "jpeg",
                       .path = file_,
                       .what = cat("the image is ", info.image_width, " pixels wide and ", info.image_height, " high; at most ",
                                   kMostPixels, " pixels are read"),
                       .hint = "make it smaller"});
}

Jpeg::~Jpeg() = default;

int Jpeg::height() const { return static_cast<int>(decoder_->info.image_height); }
int Jpeg::width() const { return static_cast<int>(decoder_->info.image_width); }

void Jpeg::decode(std::uint8_t* pixels) {
  run([pixels](jpeg_decompress_struct& info) {
    info.out_color_space = JCS_RGB;
    jpeg_start_decompress(&info);
    const std::size_t row = std::size_t{3} * info.output_width;
    while (info.output_scanline < info.output_height) {
      JSAMPROW to = pixels + info.output_scanline * row;
      jpeg_read_scanlines(&info, &to, 1);
    }
    jpeg_finish_decompress(&info);
  });
}

}  // namespace weft
