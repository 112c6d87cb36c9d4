#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/guarded.hpp"
#include "common/http_server.hpp"
#include "common/result.hpp"

namespace imageclassifier::protocol {

/// The value of WWW-Authenticate (RFC 7617) on every 401.
inline constexpr std::string_view kBasicChallenge = "Basic realm=\"imageclassifier\", charset=\"UTF-8\"";

/// What is open to everyone whatever credentials are asked for: /healthz, /readyz, /metrics, /v2/health/live,
/// /v2/health/ready and /ping.
bool is_open_path(std::string_view path);

/// One user name and password that requests must bring (RFC 7617). They are read from a folder that holds the files
/// `username` and `password`, as a Secret of type kubernetes.io/basic-auth is mounted, or from one file with
/// `username:password`; one line end behind each is not part of it. Only a digest is kept. Thread safe.
class BasicAuth {
 public:
  explicit BasicAuth(std::string path) : path_(std::move(path)) {}

  /// Reads the files; after a failure what was read before holds on. kNotFound: a file is not there or may not be read;
  /// kInvalidArgument: one is empty or cannot be sent by any client. No message holds what was read.
  Result<void> load();

  /// Whether the request may go on: it brings the credentials, or asks for what is open to everyone. The time taken
  /// tells nothing about how much of a guess is right.
  bool admits(const HttpRequest& head);

  /// What load() reads, for noticing changes; not all need to exist.
  std::vector<std::string> files() const;

 private:
  std::string path_;
  Guarded<std::string> digest_;  // SHA-256 of the token that the right credentials make; empty before load()
};

}  // namespace imageclassifier::protocol
