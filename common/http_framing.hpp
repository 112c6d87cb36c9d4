#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "common/http_server.hpp"

namespace imageclassifier {

/// Finds the end of a header block (request line and fields, up to the empty line) while bytes arrive, and refuses what
/// two parties could read differently: bare LF or CR, obsolete folding, NUL. Not thread safe.
class HeaderScanner {
 public:
  enum class State { kIncomplete, kComplete, kMalformed, kTooLarge };

  explicit HeaderScanner(std::size_t limit) : limit_(limit) {}

  /// `bytes` starts at the request's first byte and only grows from call to call.
  State scan(std::string_view bytes);
  /// Size of the block with its empty line, once kComplete.
  std::size_t size() const { return position_; }

 private:
  std::size_t limit_;
  std::size_t position_ = 0;
};

/// How a request's body is delimited (RFC 9112 section 6).
struct BodyFraming {
  bool chunked = false;
  std::uint64_t length = 0;  ///< bytes, when not chunked
};

struct FramingError {
  HttpRefusal reason;
  std::string message;
};

/// Exactly one of: nothing, one Content-Length of digits, one Transfer-Encoding "chunked" (HTTP/1.1 only).
tl::expected<BodyFraming, FramingError> body_framing(const HttpRequest& request, bool http11);

/// Decodes a chunked body incrementally (RFC 9112 section 7.1). Extensions are ignored, trailers discarded, both
/// bounded. Not thread safe.
class ChunkDecoder {
 public:
  enum class State { kMore, kDone, kMalformed, kTooManyChunks, kTooLarge };

  ChunkDecoder(std::size_t max_chunks, std::size_t max_body) : max_chunks_(max_chunks), max_body_(max_body) {}

  /// Appends decoded bytes to `body` and removes what it used from `input`.
  State feed(std::string_view& input, std::string& body);

 private:
  enum class Part { kSize, kExtension, kSizeLf, kData, kDataCr, kDataLf, kTrailer, kTrailerLf };
  State take_size(char c);

  std::size_t max_chunks_;
  std::size_t max_body_;
  Part part_ = Part::kSize;
  std::uint64_t size_ = 0;      // of this chunk; counts down in kData
  int digits_ = 0;              // of this chunk's size
  std::size_t chunks_ = 0;      // seen so far
  std::size_t line_ = 0;        // bytes of this extension or of all trailers
  bool trailer_empty_ = false;  // the trailer line that is being read has no byte yet
};

/// Fills method, target, path and query. Absolute-form targets ("http://host/path") are cut to their path.
void set_target(HttpRequest& request, std::string_view target);

/// The status that belongs to a refusal.
int http_refusal_status(HttpRefusal reason);

/// Status line and fields of an HTTP/1.1 answer, with the empty line. Header values with CR or LF are left out.
std::string serialize_response_head(const HttpResponse& response, bool http11, bool keep_alive, WallTime date);

/// ASCII, as HTTP field names and tokens compare.
bool equals_ignoring_case(std::string_view a, std::string_view b);

}  // namespace imageclassifier
