#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "inference-server/protocol/problem.hpp"

namespace imageclassifier::protocol {

struct Part {
  std::string name;       ///< of the form field
  bool has_file = false;  ///< a filename was given, perhaps an empty one
  std::string filename;   ///< as sent: never a path to use, see display_name
  std::string_view body;  ///< points into the parsed body
};

constexpr std::size_t kMaxParts = 256;
constexpr std::size_t kMaxPartHeaderBytes = 8 * 1024;

/// The boundary of a Content-Type "multipart/form-data; boundary=..."; empty when there is none or it is malformed.
std::string multipart_boundary(std::string_view content_type);

/// Splits a multipart/form-data body (RFC 7578, RFC 2046). Strict: each part needs a Content-Disposition form-data with
/// a name, the closing delimiter must be there. kBadMultipart or kTooManyParts. Copies no part's body.
tl::expected<std::vector<Part>, Problem> parse_multipart(std::string_view body, std::string_view boundary);

/// A file name to show: what follows the last slash or backslash, without control characters, valid UTF-8 (else
/// U+FFFD), at most 255 bytes.
std::string display_name(std::string_view filename);

/// Any bytes, such as a path, as text that does nothing to a terminal: without control characters, valid UTF-8 (else
/// U+FFFD), cut before it is longer.
std::string harmless_text(std::string_view text, std::size_t most_bytes = 8192);

}  // namespace imageclassifier::protocol
