#include "operator/registry/docker_config.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "operator/registry/kept_members.hpp"

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

/// Empty if it is none.
std::string text_in(const nlohmann::json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool holds_credential(const nlohmann::json& entry) {
  if (!entry.is_object()) return false;
  return !text_in(entry, "auth").empty() ||
         (!text_in(entry, "username").empty() && !text_in(entry, "password").empty());
}

bool is_for(std::string_view key, std::string_view server) {
  const std::string_view host = host_of(key);
  return host_matches(host, server) || (server == "docker.io" && (host == "index.docker.io" || host == "docker.io"));
}

/// The entries for the server, by key; null if it is no configuration.
nlohmann::json entries_for(const Secret& docker_config, std::string_view server) {
  nlohmann::json config = parse_kept(docker_config.reveal(), [&](int depth, const std::string& key) {
    return depth == 1 ? key == "auths" : depth != 2 || is_for(key, server);
  });
  if (!config.is_object() || !config.contains("auths") || !config["auths"].is_object()) return nullptr;
  return std::move(config["auths"]);
}

/// As the kubelet: `auth` wins, and one that cannot be read spoils the entry.
std::optional<Credential> credential_of(const nlohmann::json& entry) {
  const std::string auth = text_in(entry, "auth");
  if (auth.empty()) return Credential{Secret(text_in(entry, "username")), Secret(text_in(entry, "password"))};
  const Result<std::string> both = base64_decode(auth);
  const std::size_t colon = both ? both->find(':') : std::string::npos;
  if (colon == std::string::npos) return std::nullopt;
  return Credential{Secret(both->substr(0, colon)), Secret(both->substr(colon + 1))};
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

Secret with_entries_of(const Secret& docker_config, const Secret& before, const std::set<std::string>& servers) {
  nlohmann::json config = nlohmann::json::parse(docker_config.reveal(), nullptr, false);
  if (!config.is_object() || !config["auths"].is_object()) return docker_config;
  bool changed = false;
  for (const std::string& server : servers) {
    nlohmann::json entries = entries_for(before, server);
    if (!entries.is_object()) continue;
    for (const auto& [key, entry] : entries.items()) {
      if (holds_credential(entry)) changed = config["auths"].emplace(key, entry).second || changed;
    }
  }
  return changed ? Secret(config.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)) : docker_config;
}

DockerConfigMatch match_docker_config(const Secret& docker_config, std::string_view server) {
  const nlohmann::json entries = entries_for(docker_config, server);
  if (entries.is_null()) return DockerConfigMatch::kMalformed;
  const auto entry = std::find_if(entries.begin(), entries.end(), holds_credential);
  if (entry == entries.end()) return DockerConfigMatch::kNoServer;
  return credential_of(*entry) ? DockerConfigMatch::kMatches : DockerConfigMatch::kAuthInvalid;
}

bool is_sendable(const Credential& credential) {
  constexpr std::size_t kLongest = 16U << 10U;
  return credential.username.reveal().size() + credential.password.reveal().size() <= kLongest;
}

std::optional<Credential> credential_in(const Secret& docker_config, std::string_view server) {
  const nlohmann::json entries = entries_for(docker_config, server);
  const auto entry = std::find_if(entries.begin(), entries.end(), holds_credential);
  if (entry == entries.end()) return std::nullopt;
  auto credential = credential_of(*entry);
  if (!credential || !is_sendable(*credential)) return std::nullopt;
  return credential;
}

}  // namespace imageclassifier::registry
