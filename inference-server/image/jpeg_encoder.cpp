#include "inference-server/image/jpeg_encoder.hpp"

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
// libjpeg's header needs size_t and FILE from <cstdio> above.
#include <jpeglib.h>

namespace imageclassifier::image {
namespace {

struct JpegWriter {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  std::jmp_buf escape{};
  unsigned char* buffer = nullptr;
  unsigned long size = 0;

  JpegWriter() = default;
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;
  ~JpegWriter() {
    jpeg_destroy_compress(&info);
    std::free(buffer);
  }
};

[[noreturn]] void on_error(j_common_ptr info) {
  std::longjmp(static_cast<JpegWriter*>(info->client_data)->escape, 1);
}

void ignore_output(j_common_ptr) {}

bool write(JpegWriter& writer, const Image& image, int quality) {
  writer.info.err = jpeg_std_error(&writer.errors);
  writer.errors.error_exit = on_error;
  writer.errors.output_message = ignore_output;
  writer.info.client_data = &writer;
  if (setjmp(writer.escape) != 0) return false;
  jpeg_create_compress(&writer.info);
  jpeg_mem_dest(&writer.info, &writer.buffer, &writer.size);
  writer.info.image_width = static_cast<JDIMENSION>(image.width);
  writer.info.image_height = static_cast<JDIMENSION>(image.height);
  writer.info.input_components = 3;
  writer.info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&writer.info);
  jpeg_set_quality(&writer.info, quality, TRUE);
  jpeg_start_compress(&writer.info, TRUE);
  while (writer.info.next_scanline < writer.info.image_height) {
    const std::size_t offset = static_cast<std::size_t>(writer.info.next_scanline) * writer.info.image_width * 3;
    JSAMPROW rows[1] = {const_cast<JSAMPLE*>(image.pixels.data() + offset)};
    jpeg_write_scanlines(&writer.info, rows, 1);
  }
  jpeg_finish_compress(&writer.info);
  return true;
}

}  // namespace

std::vector<std::byte> encode_jpeg(const Image& image, int quality) {
  JpegWriter writer;
  if (image.width < 1 || image.height < 1 || !write(writer, image, std::clamp(quality, 1, 100))) return {};
  const auto* begin = reinterpret_cast<const std::byte*>(writer.buffer);
  return {begin, begin + writer.size};
}

}  // namespace imageclassifier::image
