#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/guarded.hpp"
#include "common/http_server.hpp"
#include "common/result.hpp"

namespace imageclassifier::protocol {

/// Tokens of which requests must bring one (RFC 6750), from a file with one in each line; empty lines and those that
/// begin with # do not count. Only digests are kept. Thread safe.
class BearerAuth {
 public:
  explicit BearerAuth(std::string path) : path_(std::move(path)) {}

  /// Reads the file; after a failure what was read before holds on. kNotFound: it is not there or may not be read;
  /// kInvalidArgument: there is no token in it, or one that no client can send or anybody can guess (fewer than 16
  /// characters). No message holds what was read.
  Result<void> load();

  /// Whether the request brings a token. The time taken tells nothing about how much of a guess is right, nor of which
  /// token.
  bool holds_token(const HttpRequest& head);
  /// The same, or it asks for what is open to everyone (is_open_path).
  bool admits(const HttpRequest& head);

  /// What load() reads, for noticing changes.
  std::vector<std::string> files() const { return {path_}; }

 private:
  std::string path_;
  Guarded<std::vector<std::string>> digests_;  // SHA-256; empty before load()
};

/// The value of WWW-Authenticate on a 401 where tokens are taken; it says so when the request brought a wrong one.
std::string bearer_challenge(const HttpRequest* head);

/// What a 401 of the public listener asks for.
struct AuthSchemes {
  bool basic = false;
  bool bearer = false;
};
/// refusal_response() for a listener with these.
std::function<HttpResponse(const HttpRefusalContext&)> refusals(const AuthSchemes& schemes);

}  // namespace imageclassifier::protocol
