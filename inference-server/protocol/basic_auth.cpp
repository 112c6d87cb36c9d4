#include "inference-server/protocol/basic_auth.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "common/file.hpp"
#include "common/http_framing.hpp"
#include "common/secret.hpp"
#include "common/sha256.hpp"

namespace imageclassifier::protocol {
namespace {

constexpr std::uint64_t kMaximumFile = 64 * 1024;
constexpr std::array<std::string_view, 6> kOpenPaths = {"/healthz",        "/readyz",          "/metrics",
                                                        "/v2/health/live", "/v2/health/ready", "/ping"};

Result<Secret> read_line(const std::string& path) {
  auto text = read_file(path, kMaximumFile);
  if (!text) return fail(text.error());
  if (text->ends_with('\n')) text->pop_back();
  if (text->ends_with('\r')) text->pop_back();
  if (text->empty()) return fail(ErrorCode::kInvalidArgument, path + " is empty");
  const bool control =
      std::any_of(text->begin(), text->end(), [](char c) { return static_cast<unsigned char>(c) < 32 || c == 127; });
  if (control) return fail(ErrorCode::kInvalidArgument, path + " has more than one line, or a control character");
  return Secret(std::move(*text));
}

Result<Secret> read_folder(const std::string& path) {
  constexpr int kTries = 3;
  auto username = read_line(path + "/username");
  for (int i = 0; username && i < kTries; ++i) {
    auto password = read_line(path + "/password");
    if (!password) return fail(password.error());
    if (username->reveal().find(':') != std::string::npos) {
      return fail(ErrorCode::kInvalidArgument, path + "/username has a colon, which no client can send");
    }
    // A mounted Secret changes as a whole: the same user name before and after means that the password belongs to it.
    auto again = read_line(path + "/username");
    if (again && *again == *username) return Secret(username->reveal() + ":" + password->reveal());
    username = std::move(again);
  }
  if (!username) return fail(username.error());
  return fail(ErrorCode::kConflict, path + " changes all the time");
}

Result<Secret> read_credentials(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return read_folder(path);
  auto line = read_line(path);
  if (!line) return fail(line.error());
  const auto colon = line->reveal().find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == line->reveal().size()) {
    return fail(ErrorCode::kInvalidArgument, path + " does not hold username:password");
  }
  return line;
}

/// What a client sends for them: comparing that needs no decoding of what strangers send.
std::string token_digest(const Secret& credentials) {
  const std::string& text = credentials.reveal();
  std::vector<unsigned char> token((text.size() + 2) / 3 * 4 + 1);
  std::vector<unsigned char> bytes(text.begin(), text.end());
  const int size = EVP_EncodeBlock(token.data(), bytes.data(), static_cast<int>(bytes.size()));
  std::string digest = sha256_hex(std::as_bytes(std::span(token).first(static_cast<std::size_t>(size))));
  OPENSSL_cleanse(token.data(), token.size());
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return digest;
}

/// The token of "Basic dXNlcjpwYXNz"; empty for any other scheme.
std::string_view basic_token(std::string_view authorization) {
  const auto space = authorization.find(' ');
  if (space == std::string_view::npos || !equals_ignoring_case(authorization.substr(0, space), "basic")) return {};
  const auto token = authorization.find_first_not_of(' ', space);
  return token == std::string_view::npos ? std::string_view() : authorization.substr(token);
}

}  // namespace

Result<void> BasicAuth::load() {
  const auto credentials = read_credentials(path_);
  if (!credentials) return fail(Error(credentials.error().code, "the credentials cannot be used", credentials.error()));
  *digest_.lock() = token_digest(*credentials);
  return {};
}

bool is_open_path(std::string_view path) {
  return std::find(kOpenPaths.begin(), kOpenPaths.end(), path) != kOpenPaths.end();
}

bool BasicAuth::admits(const HttpRequest& head) {
  if (is_open_path(head.path)) return true;
  const std::string given = sha256_hex(basic_token(head.header("authorization")));
  const auto expected = digest_.lock();
  return expected->size() == given.size() && CRYPTO_memcmp(expected->data(), given.data(), given.size()) == 0;
}

std::vector<std::string> BasicAuth::files() const {
  return {path_, path_ + "/username", path_ + "/password"};
}

}  // namespace imageclassifier::protocol
