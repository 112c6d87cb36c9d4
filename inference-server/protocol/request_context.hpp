#pragma once

#include <string>
#include <string_view>

#include "common/http_server.hpp"

namespace imageclassifier::protocol {

/// The client's x-request-id if it is [A-Za-z0-9._-]{1,128}, else a new one of 32 hex digits.
std::string request_id(const HttpRequest& request);
std::string new_request_id();
bool is_request_id(std::string_view text);

/// The traceparent (W3C Trace Context, 3.2) if there is exactly one that is well-formed, else empty: it goes into the
/// answer and the log line. Of a later version than 00 what 00 has is looked at.
std::string traceparent(const HttpRequest& request);
/// The request's traceparent, if it has one.
void add_traceparent(const HttpRequest& request, HttpResponse& response);

/// x-request-id, no sniffing, no caching: what every answer carries.
void add_common_headers(HttpResponse& response, const std::string& request_id);

/// A form post of a browser: multipart/form-data that accepts text/html. It gets pages instead of JSON.
bool wants_html(const HttpRequest& request);

/// The media type without parameters, lower case, for example "multipart/form-data".
std::string media_type(std::string_view content_type);

}  // namespace imageclassifier::protocol
