#include "tests/inference-server/support/jpeg_writer.hpp"

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
// libjpeg's header needs size_t and FILE from <cstdio> above.
#include <jpeglib.h>

#include <jerror.h>

namespace imageclassifier::test {
namespace {

struct Reader {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  std::jmp_buf escape{};
};

[[noreturn]] void on_error(j_common_ptr info) {
  std::longjmp(static_cast<Reader*>(info->client_data)->escape, 1);
}

void on_message(j_common_ptr info, int level) {
  const int code = info->err->msg_code;
  if (level < 0 &&
      (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_MUST_RESYNC)) {
    on_error(info);
  }
}

bool read_all(Reader& reader, const std::vector<std::byte>& file, std::vector<std::uint8_t>& pixels) {
  if (setjmp(reader.escape) != 0) return false;
  jpeg_decompress_struct& info = reader.info;
  info.err = jpeg_std_error(&reader.errors);
  info.client_data = &reader;
  reader.errors.error_exit = on_error;
  reader.errors.emit_message = on_message;
  reader.errors.output_message = [](j_common_ptr) {};
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(file.data()), file.size());
  jpeg_read_header(&info, TRUE);
  info.out_color_space = JCS_RGB;
  jpeg_start_decompress(&info);
  if (info.output_width * info.output_height > 1'000'000) on_error(reinterpret_cast<j_common_ptr>(&info));
  pixels.resize(std::size_t{info.output_width} * info.output_height * 3);
  while (info.output_scanline < info.output_height) {
    JSAMPROW rows[1] = {pixels.data() + std::size_t{info.output_scanline} * info.output_width * 3};
    jpeg_read_scanlines(&info, rows, 1);
  }
  jpeg_finish_decompress(&info);
  return true;
}

}  // namespace

std::optional<std::vector<std::uint8_t>> read_jpeg(const std::vector<std::byte>& file) {
  Reader reader;
  std::vector<std::uint8_t> pixels;
  const bool whole = read_all(reader, file, pixels);
  jpeg_destroy_decompress(&reader.info);
  if (!whole) return std::nullopt;
  return pixels;
}

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
