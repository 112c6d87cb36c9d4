#include "inference-server/protocol/bearer_auth.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>

#include "common/file.hpp"
#include "common/http_framing.hpp"
#include "common/sha256.hpp"
#include "inference-server/protocol/basic_auth.hpp"

namespace imageclassifier::protocol {
namespace {

constexpr std::uint64_t kMaximumFile = 64 * 1024;
constexpr std::size_t kShortestToken = 16;

/// b64token of RFC 6750, 2.1.
bool is_token(std::string_view text) {
  const auto padding = text.find_last_not_of('=');
  text = text.substr(0, padding == std::string_view::npos ? 0 : padding + 1);
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-._~+/").find(c) != std::string_view::npos;
  });
}

std::string digest_of(std::string_view token) {
  return sha256_hex(std::as_bytes(std::span(token)));
}

Result<std::vector<std::string>> read_digests(const std::string& path) {
  auto text = read_file(path, kMaximumFile);
  if (!text) return fail(text.error());
  const auto refuse = [&path](int line, const char* why) {
    return fail(ErrorCode::kInvalidArgument, path + ": line " + std::to_string(line) + " " + why);
  };
  std::vector<std::string> digests;
  std::string_view rest = *text;
  for (int number = 1; !rest.empty(); ++number) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    if (!is_token(line)) return refuse(number, "has a character that no bearer token can have");
    if (line.size() < kShortestToken) return refuse(number, "has a token of fewer than 16 characters");
    digests.push_back(digest_of(line));
  }
  OPENSSL_cleanse(text->data(), text->size());
  if (digests.empty()) return fail(ErrorCode::kInvalidArgument, path + " holds no token");
  return digests;
}

/// The token of "Bearer abc"; no value for any other scheme.
std::optional<std::string_view> bearer_token(std::string_view authorization) {
  const auto space = authorization.find(' ');
  if (!equals_ignoring_case(authorization.substr(0, space), "bearer")) return std::nullopt;
  const auto token = authorization.find_first_not_of(' ', std::min(space, authorization.size()));
  return token == std::string_view::npos ? std::string_view() : authorization.substr(token);
}

}  // namespace

Result<void> BearerAuth::load() {
  auto digests = read_digests(path_);
  if (!digests) return fail(Error(digests.error().code, "the tokens cannot be used", digests.error()));
  *digests_.lock() = std::move(*digests);
  return {};
}

bool BearerAuth::holds_token(const HttpRequest& head) {
  const auto token = bearer_token(head.header("authorization"));
  if (!token) return false;
  const std::string given = digest_of(*token);
  bool found = false;
  const auto digests = digests_.lock();
  for (const std::string& digest : *digests) {
    const bool same = digest.size() == given.size() && CRYPTO_memcmp(digest.data(), given.data(), given.size()) == 0;
    found = found || same;
  }
  return found;
}

bool BearerAuth::admits(const HttpRequest& head) {
  return is_open_path(head.path) || holds_token(head);
}

std::string bearer_challenge(const HttpRequest* head) {
  const std::string challenge = "Bearer realm=\"imageclassifier\"";
  if (head == nullptr || !bearer_token(head->header("authorization"))) return challenge;
  return challenge + ", error=\"invalid_token\"";
}

}  // namespace imageclassifier::protocol
