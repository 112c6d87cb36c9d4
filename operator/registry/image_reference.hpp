#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"

namespace imageclassifier::registry {

/// A container image name taken apart as the container runtimes do (distribution's reference grammar).
struct ImageReference {
  std::string server;      ///< host with an optional port; "docker.io" if the name has none
  std::string repository;  ///< without the server; "library/" added for docker.io's one-part names
  std::string tag;         ///< "latest" if the name has neither tag nor digest
  std::string digest;      ///< "sha256:..." or empty
};

/// kInvalidArgument, with a message that says what is wrong, if the name does not follow the grammar.
Result<ImageReference> parse_image_reference(std::string_view text);

}  // namespace imageclassifier::registry
