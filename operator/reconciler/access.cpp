#include "operator/reconciler/access.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "operator/registry/docker_config.hpp"
#include "operator/resources/builders.hpp"

namespace imageclassifier::reconciler {
namespace {

constexpr const char* kUsername = "classifier";

bool is_one_line(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 32 || c == 127; });
}

}  // namespace

Result<Secret> value_of(const ObservedSecret& secret, const std::string& key) {
  const auto found = secret.data.find(key);
  if (found == secret.data.end()) return fail(ErrorCode::kNotFound, "it has no key " + key);
  auto decoded = registry::base64_decode(found->second.reveal());
  if (!decoded) return fail(ErrorCode::kDataLoss, "the value of key " + key + " is not base64");
  if (decoded->empty()) return fail(ErrorCode::kInvalidArgument, "the value of key " + key + " is empty");
  return Secret(std::move(*decoded));
}

Result<void> check_credentials(const ObservedSecret& secret) {
  for (const char* key : {"username", "password"}) {
    const Result<Secret> value = value_of(secret, key);
    if (!value) return fail(value.error());
    if (!is_one_line(value->reveal())) {
      return fail(ErrorCode::kInvalidArgument,
                  "the value of key " + std::string(key) + " has more than one line, or a control character");
    }
  }
  if (value_of(secret, "username")->reveal().find(':') != std::string::npos) {
    return fail(ErrorCode::kInvalidArgument, "the user name has a colon, which no client can send");
  }
  return {};
}

resources::Manifest access_secret(const Observed& observed) {
  const auto& present = observed.access_secret;
  if (present && check_credentials(*present)) {
    return resources::build_access_secret(observed.classifier, present->data.at("username"),
                                          present->data.at("password"));
  }
  return resources::build_access_secret(observed.classifier, Secret(registry::base64_encode(kUsername)),
                                        Secret(registry::base64_encode(observed.drawn_password.reveal())));
}

Result<Secret> random_password() {
  std::array<unsigned char, 24> bytes{};
  if (RAND_priv_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    return fail(ErrorCode::kUnavailable, "OpenSSL has no random bytes for a password");
  }
  std::string text = registry::base64_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return Secret(std::move(text));
}

}  // namespace imageclassifier::reconciler
