#include "inference-server/protocol/compression.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>

#include "inference-server/protocol/request_context.hpp"

namespace imageclassifier::protocol {
namespace {

constexpr std::size_t kWorthwhile = 1024;
constexpr int kZlibWindow = 15;
constexpr int kGzipWindow = 15 + 16;  // zlib.h: "add 16"

int window_of(ContentCoding coding) {
  return coding == ContentCoding::kGzip ? kGzipWindow : kZlibWindow;
}

Bytef* bytes_of(const char* text) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(text));  // zlib's input is not const
}

std::optional<Problem> inflate_all(const std::string& packed, ContentCoding coding, std::size_t limit,
                                   std::string& plain) {
  z_stream stream{};
  if (inflateInit2(&stream, window_of(coding)) != Z_OK) return Problem{};
  stream.next_in = bytes_of(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  std::array<char, 64 * 1024> piece{};
  int status = Z_OK;
  bool fits = true;
  while (status == Z_OK && fits) {
    stream.next_out = bytes_of(piece.data());
    stream.avail_out = piece.size();
    status = inflate(&stream, Z_NO_FLUSH);
    const std::size_t count = piece.size() - stream.avail_out;
    fits = count <= limit - plain.size();
    if (fits) plain.append(piece.data(), count);
  }
  const bool whole = status == Z_STREAM_END && stream.avail_in == 0;
  inflateEnd(&stream);
  if (!fits) {
    return Problem{ProblemCode::kBodyTooLarge,
                   "The body is uncompressed larger than the limit of " + std::to_string(limit) + " bytes."};
  }
  if (!whole) return Problem{ProblemCode::kBadRequest, "The compressed body is damaged or incomplete."};
  return std::nullopt;
}

std::optional<ContentCoding> coding_of(std::string_view name) {
  const std::string token = media_type(name);
  if (token.empty() || token == "identity") return ContentCoding::kIdentity;
  if (token == "gzip" || token == "x-gzip") return ContentCoding::kGzip;
  if (token == "deflate") return ContentCoding::kDeflate;
  return std::nullopt;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

/// "gzip;q=0", also "q=0.000".
bool is_refused(std::string_view element) {
  const auto quality = element.find("q=0");
  return quality != std::string_view::npos &&
         element.substr(quality + 3).find_first_not_of(".0 \t") == std::string_view::npos;
}

}  // namespace

std::optional<Problem> uncompress_body(HttpRequest& request, std::size_t limit) {
  const auto coding = coding_of(trimmed(request.header("content-encoding")));
  if (!coding) {
    return Problem{ProblemCode::kUnsupportedEncoding,
                   "The body may be compressed with gzip or deflate only, as Content-Encoding says."};
  }
  if (*coding == ContentCoding::kIdentity) return std::nullopt;
  std::string plain;
  auto problem = inflate_all(request.body, *coding, limit, plain);
  request.body = std::move(plain);
  return problem;
}

ContentCoding accepted_coding(const HttpRequest& request) {
  std::string_view rest = request.header("accept-encoding");
  ContentCoding found = ContentCoding::kIdentity;
  while (!rest.empty()) {
    const std::string_view element = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), element.size() + 1));
    const auto coding = coding_of(trimmed(element));
    if (!coding || is_refused(element)) continue;
    if (*coding == ContentCoding::kGzip) return *coding;
    if (*coding == ContentCoding::kDeflate) found = *coding;
  }
  return found;
}

void compress_body(HttpResponse& response, ContentCoding coding, Effort effort) {
  if (coding == ContentCoding::kIdentity || response.body.size() < kWorthwhile) return;
  z_stream stream{};
  const int level = effort == Effort::kSmall ? Z_BEST_COMPRESSION : Z_BEST_SPEED;
  if (deflateInit2(&stream, level, Z_DEFLATED, window_of(coding), 8, Z_DEFAULT_STRATEGY) != Z_OK) return;
  std::string packed(deflateBound(&stream, response.body.size()), '\0');
  stream.next_in = bytes_of(response.body.data());
  stream.avail_in = static_cast<uInt>(response.body.size());
  stream.next_out = bytes_of(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int status = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (status != Z_STREAM_END) return;
  response.body = std::move(packed);
  response.headers.push_back({"Content-Encoding", coding == ContentCoding::kGzip ? "gzip" : "deflate"});
  response.headers.push_back({"Vary", "Accept-Encoding"});
}

}  // namespace imageclassifier::protocol
