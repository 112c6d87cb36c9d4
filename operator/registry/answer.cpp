#include "operator/registry/answer.hpp"

#include <time.h>

#include <algorithm>
#include <charconv>

namespace imageclassifier::registry {
namespace {

constexpr std::string_view kHttps = "https://";
/// Whoever asks for more is asked again nevertheless: a credential may end meanwhile.
constexpr std::chrono::seconds kLongestPause{600};

/// A host name and perhaps a port.
bool is_host(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view port = colon == std::string_view::npos ? "443" : text.substr(colon + 1);
  const std::string_view name = text.substr(0, colon);
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  });
  return !name.empty() && plain && !port.empty() && port.size() <= 5 &&
         port.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::optional<Place> place_of(std::string_view url) {
  if (!url.starts_with(kHttps)) return std::nullopt;
  url.remove_prefix(kHttps.size());
  const std::size_t slash = std::min(url.find_first_of("/?"), url.size());
  const std::string_view host = url.substr(0, slash);
  const bool target = std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 127 && c != '#'; });
  if (!is_host(host) || !target) return std::nullopt;
  std::string path = url.substr(slash).starts_with('/') ? "" : "/";
  path += url.substr(slash);
  return Place{std::string(host), std::move(path)};
}

Result<Place> realm_of(const Challenge& challenge) {
  const std::string_view url = challenge.get("realm");
  if (url.empty()) return fail(ErrorCode::kInvalidArgument, "its challenge names no token server");
  auto place = place_of(url);
  if (!place) return fail(ErrorCode::kInvalidArgument, "its challenge names a token server by what is no https URL");
  return std::move(*place);
}

std::chrono::seconds retry_after_of(const kubernetes::Response& response) {
  const std::string_view text = kubernetes::find_header(response.headers, "Retry-After").value_or("");
  std::chrono::seconds::rep seconds = 0;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return std::clamp(std::chrono::seconds(seconds), std::chrono::seconds(0), kLongestPause);
}

std::vector<Challenge> challenges_of(const kubernetes::Response& response) {
  std::vector<Challenge> all;
  for (const kubernetes::Header& header : response.headers) {
    if (!kubernetes::find_header({header}, "WWW-Authenticate")) continue;
    auto parsed = parse_challenges(header.value);
    if (parsed) all.insert(all.end(), parsed->begin(), parsed->end());
  }
  return all;
}

std::optional<WallTime> date_of(const kubernetes::Response& response) {
  const std::string text(kubernetes::find_header(response.headers, "Date").value_or(""));
  tm parts{};
  const char* end = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0' || parts.tm_year < 70 || parts.tm_year > 300) return std::nullopt;
  return WallTime(std::chrono::seconds(timegm(&parts)));
}

}  // namespace imageclassifier::registry
