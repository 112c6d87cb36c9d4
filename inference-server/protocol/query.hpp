#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <tl/expected.hpp>

#include "common/http_server.hpp"
#include "inference-server/protocol/answer.hpp"

namespace imageclassifier::protocol {

struct ClassifyQuery {
  ClassifyOptions options;  ///< k and how the pictures are read
  LabelStyle style = LabelStyle::kName;
};

/// `k`, `labels`, `decode`, `exif`, `alpha` of a query as sent, whose values may be percent-encoded (RFC 3986); none
/// of them twice; unknown names are ignored. kBadParameter.
tl::expected<ClassifyQuery, Problem> parse_classify_query(std::string_view query, int fallback_k);

/// Sets what `decode`, `exif` or `alpha` stands for; a problem (kBadParameter) when the value is not one of theirs.
/// Other names change nothing.
std::optional<Problem> set_reading(ClassifyOptions& options, std::string_view name, std::string_view value);

/// The end of the body and the limit, which X-Request-Timeout-Ms may only shorten. kBadParameter.
tl::expected<SteadyTime, Problem> parse_deadline(const HttpRequest& request, std::chrono::milliseconds limit);

/// A decimal number and nothing else.
std::optional<std::int64_t> whole_number(std::string_view text);

}  // namespace imageclassifier::protocol
