#include "tests/inference-server/support/jpeg_writer.hpp"

#include <cstdio>
#include <cstdlib>
// libjpeg's header needs size_t and FILE from <cstdio> above.
#include <jpeglib.h>

namespace imageclassifier::test {

std::vector<std::byte> write_jpeg(const image::Image& image, const JpegKind& kind) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  if (kind.grey) jpeg_set_colorspace(&info, JCS_GRAYSCALE);
  jpeg_set_quality(&info, kind.quality, TRUE);
  info.comp_info[0].h_samp_factor = kind.across;
  info.comp_info[0].v_samp_factor = kind.down;
  info.restart_interval = kind.restart;
  info.arith_code = kind.arithmetic ? TRUE : FALSE;
  info.optimize_coding = kind.optimised ? TRUE : FALSE;
  jpeg_scan_info scans[3] = {};
  if (kind.progressive) jpeg_simple_progression(&info);
  if (kind.one_scan_each) {
    for (int i = 0; i < info.num_components; ++i) scans[i] = {1, {i}, 0, 63, 0, 0};
    info.scan_info = scans;
    info.num_scans = info.num_components;
  }
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    const std::size_t offset = static_cast<std::size_t>(info.next_scanline) * info.image_width * 3;
    JSAMPROW rows[1] = {const_cast<JSAMPLE*>(image.pixels.data() + offset)};
    jpeg_write_scanlines(&info, rows, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  const auto* begin = reinterpret_cast<const std::byte*>(buffer);
  std::vector<std::byte> file(begin, begin + size);
  std::free(buffer);
  return file;
}

}  // namespace imageclassifier::test
