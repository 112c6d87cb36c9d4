#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"
#include "common/secret.hpp"

namespace imageclassifier::registry {

/// Standard base64 with padding (RFC 4648 section 4).
std::string base64_encode(std::string_view bytes);
/// kInvalidArgument if the text is not base64. White space is not accepted.
Result<std::string> base64_decode(std::string_view text);

/// The content of a kubernetes.io/dockerconfigjson Secret for one server, with the `auth` member that some container
/// runtimes insist on. docker.io is written under the key that its clients look for.
Secret make_docker_config(std::string_view server, const Secret& username, const Secret& password);

/// What a docker configuration says about one server.
enum class DockerConfigMatch {
  kMatches,   ///< it holds a user name and password (or `auth`) for the server
  kNoServer,  ///< well-formed, but without an entry for the server
  kMalformed  ///< not JSON, or without a usable `auths` member
};

/// Finds the server's entry as the kubelet does: scheme and path are left out, "*" matches within one part of the host.
DockerConfigMatch match_docker_config(const Secret& docker_config, std::string_view server);

}  // namespace imageclassifier::registry
