#include "common/redaction.hpp"

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

}  // namespace imageclassifier
