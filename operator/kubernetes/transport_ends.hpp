#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "operator/kubernetes/line_splitter.hpp"
#include "operator/kubernetes/transport.hpp"

namespace imageclassifier::kubernetes {

// How an exchange ends, or why there can be none, said alike by every Transport. Pure.

/// kInvalidArgument: `server` is no URL of a server. Names its host only: a user and password may stand before it.
tl::unexpected<Error> no_server_url(const std::string& server);

/// No answer: kCancelled if `stop` was requested, else kDeadlineExceeded.
tl::unexpected<Error> too_late(const std::stop_token& stop);

/// Why the lines of a stream ended it; nothing if they go on.
std::optional<StreamEnd::Cause> to_cause(LineSplitter::Verdict verdict);

/// Adds to StreamEnd::body what still fits into its 64 KiB. False when it is full: no more is read then.
bool append_refusal(std::string& body, std::string_view piece);

/// kTooLarge: an answer of send() that is longer than TransportOptions::maximum_body.
tl::unexpected<Error> body_too_large(std::size_t maximum_body);

/// kTooLarge: an answer whose head is longer than a transport takes.
tl::unexpected<Error> head_too_large(std::size_t maximum_head);

}  // namespace imageclassifier::kubernetes
