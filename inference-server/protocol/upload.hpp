#pragma once

#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "common/http_server.hpp"
#include "inference-server/protocol/classifier.hpp"

namespace imageclassifier::protocol {

/// The pictures of an uncompressed body: the parts of a multipart form that are called `field`, at most 32, else the
/// body itself. They point into the request. kEmptyBody, kBadMultipart, kTooManyParts, kNoImagePart, kTooManyImages.
tl::expected<std::vector<Picture>, Problem> pictures_of(const HttpRequest& request, std::string_view field);

}  // namespace imageclassifier::protocol
