#pragma once

#include <cstddef>
#include <optional>

#include "common/http_server.hpp"
#include "inference-server/protocol/problem.hpp"

namespace imageclassifier::protocol {

/// RFC 9110, 8.4.1; "deflate" is zlib's format (RFC 1950).
enum class ContentCoding { kIdentity, kGzip, kDeflate };

/// Uncompresses the body as Content-Encoding says; without one nothing happens. Never holds more than `limit` bytes of
/// it. kUnsupportedEncoding: another coding, or several; kBodyTooLarge: over the limit; kBadRequest: damaged.
std::optional<Problem> uncompress_body(HttpRequest& request, std::size_t limit);

/// What Accept-Encoding names, gzip first; "*" and what has q=0 do not count.
ContentCoding accepted_coding(const HttpRequest& request);

/// How hard compress_body tries: kFast for what is made for one answer, kSmall for what is made once.
enum class Effort { kFast, kSmall };

/// Compresses a body of 1 KiB or more: less is sent in one packet anyway.
void compress_body(HttpResponse& response, ContentCoding coding, Effort effort = Effort::kFast);

}  // namespace imageclassifier::protocol
