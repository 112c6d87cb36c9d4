#pragma once

#include <memory>

struct jpeg_decompress_struct;

namespace imageclassifier::image {

/// Decodes the bits of a baseline JPEG in libjpeg's stead, to the same coefficients: most of the time of a large
/// picture goes there, and one look into a table for a code together with the bits that follow it, out of a register of
/// 64, takes less time than the two that libjpeg takes. The rest (markers, tables and their checks, transforms) stays
/// libjpeg's.
///
/// It takes the place of `jpeg_decompress_struct::entropy`, whose two functions jpegint.h declares, behind
/// jpeg_start_decompress() and for a source that holds the whole file. Must outlive the decompression. Data that is cut
/// or damaged ends in the error handler, with JERR_INPUT_EOF or another code, where libjpeg warns. One picture each;
/// not thread safe.
class JpegHuffman {
 public:
  JpegHuffman();
  ~JpegHuffman();
  JpegHuffman(const JpegHuffman&) = delete;
  JpegHuffman& operator=(const JpegHuffman&) = delete;

  /// Does nothing where the picture is of another kind: progressive, arithmetic, of several scans.
  void take_over(jpeg_decompress_struct& info);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace imageclassifier::image
