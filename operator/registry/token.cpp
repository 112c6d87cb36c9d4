#include "operator/registry/token.hpp"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "operator/registry/docker_config.hpp"

namespace imageclassifier::registry {
namespace {

using nlohmann::json;

/// 9999-12-31T23:59:59Z: what RFC 3339 can still say.
constexpr double kLastSecond = 253402300799.0;
constexpr std::int64_t kLongestLife = 366LL * 24 * 3600;
constexpr std::chrono::seconds kUsualLife{60};
constexpr std::size_t kMaximumAnswer = 64U << 10U;

std::optional<WallTime> time_of(const json& claims, const char* name) {
  const auto found = claims.find(name);
  if (found == claims.end() || !found->is_number()) return std::nullopt;
  const double seconds = found->get<double>();
  // Both would overflow the nanoseconds of a WallTime, which end in 2262.
  if (!(seconds >= 0 && seconds <= kLastSecond)) return std::nullopt;
  constexpr double kMost = 9.2e9;
  return WallTime(std::chrono::seconds(static_cast<std::int64_t>(std::min(seconds, kMost))));
}

std::string text(const json& object, const std::string& key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Azure's Instance Metadata Service puts the number in quotes.
std::optional<std::chrono::seconds> life_of(const json& answer) {
  const auto found = answer.find("expires_in");
  if (found == answer.end() || !(found->is_string() || found->is_number_integer())) return std::nullopt;
  const json number = found->is_string() ? json::parse(found->get_ref<const std::string&>(), nullptr, false) : *found;
  if (!number.is_number_integer()) return std::nullopt;
  return std::chrono::seconds(std::clamp<std::int64_t>(number.get<std::int64_t>(), 0, kLongestLife));
}

Result<json> payload_of(const Secret& token) {
  const auto refuse = [] { return fail(ErrorCode::kInvalidArgument, "The token is no JSON Web Token."); };
  const std::string_view whole = token.reveal();
  const std::size_t first = whole.find('.');
  const std::size_t second = first == std::string_view::npos ? first : whole.find('.', first + 1);
  if (second == std::string_view::npos || whole.find('.', second + 1) != std::string_view::npos) return refuse();
  const Result<std::string> payload = base64url_decode(whole.substr(first + 1, second - first - 1));
  if (!payload) return refuse();
  json object = json::parse(*payload, nullptr, false);
  if (!object.is_object()) return refuse();
  return object;
}

}  // namespace

Result<std::string> base64url_decode(std::string_view text) {
  std::string standard(text.substr(0, text.find_last_not_of('=') + 1));
  if (standard.find_first_of("+/") != std::string::npos) {
    return fail(ErrorCode::kInvalidArgument, "The text is not base64url.");
  }
  std::replace(standard.begin(), standard.end(), '-', '+');
  std::replace(standard.begin(), standard.end(), '_', '/');
  standard.append((4 - standard.size() % 4) % 4, '=');
  return base64_decode(standard);
}

Result<Claims> parse_claims(const Secret& token) {
  const auto payload = payload_of(token);
  if (!payload) return fail(payload.error());
  const json& object = *payload;
  Claims claims{time_of(object, "exp"), time_of(object, "nbf"), time_of(object, "iat"), {}};
  const auto audience = object.find("aud");
  if (audience == object.end()) return claims;
  if (audience->is_string()) claims.audiences.push_back(audience->get<std::string>());
  for (const json& entry : audience->is_array() ? *audience : json::array()) {
    if (entry.is_string()) claims.audiences.push_back(entry.get<std::string>());
  }
  return claims;
}

std::optional<bool> grants_pull(const Secret& token, const std::vector<std::string>& repositories) {
  const auto payload = payload_of(token);
  const auto access = payload ? payload->find("access") : json::const_iterator();
  if (!payload || access == payload->end() || !access->is_array()) return std::nullopt;
  const auto opens = [&](const std::string& repository) {
    return std::any_of(access->begin(), access->end(), [&](const json& entry) {
      if (!entry.is_object() || text(entry, "type") != "repository" || text(entry, "name") != repository) return false;
      const auto actions = entry.find("actions");
      return actions != entry.end() && actions->is_array() &&
             std::any_of(actions->begin(), actions->end(),
                         [](const json& action) { return action == "pull" || action == "*"; });
    });
  };
  return std::all_of(repositories.begin(), repositories.end(), opens);
}

Result<Token> parse_token(const Secret& body, WallTime now, std::string_view member) {
  const bool small = body.reveal().size() <= kMaximumAnswer;
  const json answer = small ? json::parse(body.reveal(), nullptr, false) : json();
  const auto none = [] { return fail(ErrorCode::kDataLoss, "The answer of the token endpoint holds no token."); };
  if (!answer.is_object()) return none();
  std::string value = text(answer, member.empty() ? "access_token" : std::string(member));
  if (value.empty() && member.empty()) value = text(answer, "token");
  // It becomes a header.
  const bool visible = std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c < 127; });
  if (value.empty() || !visible) return none();
  Token token{Secret(std::move(value)), now + kUsualLife};
  if (const auto life = life_of(answer)) {
    token.expires = now + *life;
    return token;
  }
  if (const auto claims = parse_claims(token.value); claims && claims->expires) token.expires = *claims->expires;
  return token;
}

}  // namespace imageclassifier::registry
