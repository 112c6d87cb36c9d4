#pragma once

#include <optional>
#include <set>
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

/// `docker_config` with the entries that `before` has for these servers, and it has not.
Secret with_entries_of(const Secret& docker_config, const Secret& before, const std::set<std::string>& servers);

/// What a docker configuration says about one server.
enum class DockerConfigMatch {
  kMatches,     ///< it holds a user name and password (or `auth`) for the server
  kNoServer,    ///< well-formed, but without an entry for the server
  kMalformed,   ///< not JSON, or without a usable `auths` member
  kAuthInvalid  ///< the `auth` of the server's entry is not USER:PASSWORD in base64
};

/// Finds the server's entry as the kubelet does: scheme and path are left out, "*" matches within one part of the host.
DockerConfigMatch match_docker_config(const Secret& docker_config, std::string_view server);

/// A user name and a password for a registry, or a refresh token with the user name of nulls.
struct Credential {
  Secret username;
  Secret password;
};

/// Whether a header can hold both: 16 KiB at most.
bool is_sendable(const Credential& credential);

/// The user name and password of that entry; nothing if there is none, or one that holds something else or too much.
std::optional<Credential> credential_in(const Secret& docker_config, std::string_view server);

}  // namespace imageclassifier::registry
