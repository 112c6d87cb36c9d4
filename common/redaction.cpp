#include "common/redaction.hpp"

#include <unordered_set>

namespace imageclassifier {
namespace {

constexpr std::string_view kInstead = "[redacted]";

}  // namespace

void redact(std::string& text, std::string_view secret) {
  if (secret.size() < kShortestSecret) return;
  for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + kInstead.size())) {
    text.replace(at, secret.size(), kInstead);
  }
}

void redact_parts(std::string& text, std::string_view secret) {
  if (secret.size() < kShortestPart) return redact(text, secret);
  std::unordered_set<std::string_view> parts;
  for (std::size_t at = 0; at + kShortestPart <= secret.size(); ++at) parts.insert(secret.substr(at, kShortestPart));
  std::string kept;
  std::size_t done = 0;  // up to here the text is in `kept`, or redacted
  for (std::size_t at = 0; at + kShortestPart <= text.size(); ++at) {
    if (!parts.contains(std::string_view(text).substr(at, kShortestPart))) continue;
    if (at > done || kept.empty()) kept.append(text, done, at - done).append(kInstead);
    done = at + kShortestPart;
  }
  if (done == 0) return;
  text = kept.append(text, done);
}

}  // namespace imageclassifier
