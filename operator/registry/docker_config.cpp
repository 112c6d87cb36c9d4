#include "operator/registry/docker_config.hpp"

#include <array>
#include <nlohmann/json.hpp>

namespace imageclassifier::registry {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kDockerHubKey = "https://index.docker.io/v1/";

/// Host and port of a key such as "https://contoso.azurecr.io/v2/".
std::string_view host_of(std::string_view key) {
  if (const std::size_t scheme = key.find("://"); scheme != std::string_view::npos) key = key.substr(scheme + 3);
  return key.substr(0, key.find('/'));
}

/// Glob with "*" inside one dot-separated part, as the kubelet's credential provider matches.
bool part_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, after_star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      after_star = ++p;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (after_star != std::string_view::npos) {
      p = after_star;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool host_matches(std::string_view pattern, std::string_view host) {
  while (true) {
    const std::size_t pattern_dot = pattern.find('.');
    const std::size_t host_dot = host.find('.');
    if (!part_matches(pattern.substr(0, pattern_dot), host.substr(0, host_dot))) return false;
    if (pattern_dot == std::string_view::npos || host_dot == std::string_view::npos) return pattern_dot == host_dot;
    pattern = pattern.substr(pattern_dot + 1);
    host = host.substr(host_dot + 1);
  }
}

bool holds_credential(const nlohmann::json& entry) {
  if (!entry.is_object()) return false;
  const auto text = [&](const char* key) {
    const auto found = entry.find(key);
    return found != entry.end() && found->is_string() && !found->get_ref<const std::string&>().empty();
  };
  return text("auth") || (text("username") && text("password"));
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text.push_back(j <= count ? kAlphabet[group >> (18 - 6 * j) & 63U] : '=');
    }
  }
  return text;
}

Result<std::string> base64_decode(std::string_view text) {
  const auto refuse = [] { return fail(ErrorCode::kInvalidArgument, "The text is not base64."); };
  if (text.size() % 4 != 0) return refuse();
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const std::size_t padding = !last ? 0 : text.substr(i, 4).ends_with("==") ? 2 : text[i + 3] == '=' ? 1 : 0;
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const std::size_t value = j < 4 - padding ? kAlphabet.find(text[i + j]) : 0;
      if (value == std::string_view::npos) return refuse();
      group = group << 6 | static_cast<std::uint32_t>(value);
    }
    for (std::size_t j = 0; j < 3 - padding; ++j) bytes.push_back(static_cast<char>(group >> (16 - 8 * j) & 255U));
  }
  return bytes;
}

Secret make_docker_config(std::string_view server, const Secret& username, const Secret& password) {
  const std::string key(server == "docker.io" ? kDockerHubKey : server);
  const nlohmann::json config = {{"auths",
                                  {{key,
                                    {{"username", username.reveal()},
                                     {"password", password.reveal()},
                                     {"auth", base64_encode(username.reveal() + ":" + password.reveal())}}}}}};
  return Secret(config.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

DockerConfigMatch match_docker_config(const Secret& docker_config, std::string_view server) {
  const nlohmann::json config = nlohmann::json::parse(docker_config.reveal(), nullptr, false);
  if (!config.is_object() || !config.contains("auths") || !config["auths"].is_object()) {
    return DockerConfigMatch::kMalformed;
  }
  for (const auto& [key, entry] : config["auths"].items()) {
    const bool docker_hub = server == "docker.io" && (host_of(key) == "index.docker.io" || host_of(key) == "docker.io");
    if ((docker_hub || host_matches(host_of(key), server)) && holds_credential(entry))
      return DockerConfigMatch::kMatches;
  }
  return DockerConfigMatch::kNoServer;
}

}  // namespace imageclassifier::registry
