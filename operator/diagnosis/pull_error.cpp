#include "operator/diagnosis/pull_error.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "operator/diagnosis/reasons.hpp"

namespace imageclassifier::diagnosis {
namespace {

/// A row matches if the message holds `first` and `second` (which may be empty).
struct Pattern {
  std::string_view first;
  std::string_view second;
  std::string_view reason;
  std::string_view detail;
};

constexpr std::string_view kByCredential = "?";
constexpr std::string_view kOutOfTime = "it has expired or is not yet valid";

// First hit wins: what is certain comes before what is likely. Texts of containerd 1.6 to 2.1, of CRI-O and of the
// kubelet.
constexpr std::array kPatterns = {
    Pattern{"no match for platform in manifest", "", "PlatformMismatch", ""},
    Pattern{"no image found in manifest list for architecture", "", "PlatformMismatch", ""},
    Pattern{"exec format error", "", "PlatformMismatch", ""},
    Pattern{"no space left on device", "", "NodeDiskFull", ""},
    Pattern{"pull QPS exceeded", "", "ImagePullFailed",
            ": its node pulls no faster than its kubelet allows (pull QPS exceeded), and tries again by itself"},
    Pattern{"SignatureValidationFailed", "", "SignatureRefused", ""},
    Pattern{"signature validation failed", "", "SignatureRefused", ""},
    Pattern{"Source image rejected", "", "SignatureRefused", ""},
    Pattern{"Failed to inspect image", "", "ImageUnreadable", ""},
    Pattern{"ImageInspectError", "", "ImageUnreadable", ""},
    Pattern{"certificate signed by unknown authority", "", "TLSUntrusted", "its issuer is unknown to the node"},
    Pattern{"certificate has expired or is not yet valid", "", "TLSUntrusted", kOutOfTime},
    Pattern{"x509: certificate is valid for", "", "TLSUntrusted", "it was issued for another name"},
    Pattern{"doesn't contain any IP SANs", "", "TLSUntrusted", "it was not issued for the address"},
    Pattern{"x509:", "", "TLSUntrusted", "the node could not verify it"},
    Pattern{"server gave HTTP response to HTTPS client", "", "TLSUntrusted", "it speaks plain HTTP"},
    Pattern{"no such host", "", "RegistryUnreachable", "its name does not resolve on the node"},
    Pattern{"server misbehaving", "", "RegistryUnreachable", "the node's DNS server fails"},
    Pattern{"Temporary failure in name resolution", "", "RegistryUnreachable", "the node's DNS server fails"},
    Pattern{"429 Too Many Requests", "", "Throttled", ""},
    Pattern{"toomanyrequests", "", "Throttled", ""},
    Pattern{"403 Forbidden", "", "RegistryForbidden", ""},
    Pattern{"insufficient_scope", "", "InsufficientScope", ""},
    Pattern{"failed to fetch anonymous token", "401", "CredentialMissing", ""},
    Pattern{"failed to fetch oauth token", "401", "CredentialRefused", ""},
    Pattern{"no basic auth credentials", "", "CredentialMissing", ""},
    Pattern{"401 Unauthorized", "", kByCredential, ""},
    Pattern{"authentication required", "", kByCredential, ""},
    Pattern{"unauthorized:", "", kByCredential, ""},
    Pattern{"authorization failed", "", kByCredential, ""},
    Pattern{"unable to retrieve auth token", "", kByCredential, ""},
    Pattern{"unexpected commit digest", "", "DigestMismatch", ""},
    Pattern{"failed size validation", "", "DigestMismatch", ""},
    Pattern{"manifest unknown", "", "ManifestUnknown", ""},
    Pattern{"name unknown", "", "ManifestUnknown", ""},
    Pattern{"MANIFEST_UNKNOWN", "", "ManifestUnknown", ""},
    Pattern{"NAME_UNKNOWN", "", "ManifestUnknown", ""},
    Pattern{"i/o timeout", "", "RegistryUnreachable", "the connection timed out"},
    Pattern{"TLS handshake timeout", "", "RegistryUnreachable", "the connection timed out"},
    Pattern{"Client.Timeout exceeded", "", "RegistryUnreachable", "the connection timed out"},
    Pattern{"context deadline exceeded", "", "RegistryUnreachable", "the connection timed out"},
    Pattern{"connection refused", "", "RegistryUnreachable", "the connection was refused"},
    Pattern{"connection reset", "", "RegistryUnreachable", "the connection was cut"},
    Pattern{"no route to host", "", "RegistryUnreachable", "there is no route"},
    Pattern{"network is unreachable", "", "RegistryUnreachable", "there is no route"},
    Pattern{"proxyconnect", "", "RegistryUnreachable", "the node's HTTP proxy refuses the connection"},
    Pattern{"500 Internal Server Error", "", "RegistryUnreachable", "it answers HTTP 500"},
    Pattern{"502 Bad Gateway", "", "RegistryUnreachable", "it answers HTTP 502"},
    Pattern{"503 Service Unavailable", "", "RegistryUnreachable", "it answers HTTP 503"},
    Pattern{"504 Gateway", "", "RegistryUnreachable", "it answers HTTP 504"},
    Pattern{": EOF", "", "RegistryUnreachable", "the connection was cut"},
    Pattern{"unexpected EOF", "", "RegistryUnreachable", "the connection was cut"},
    Pattern{"repository does not exist or may require authorization", "", kByCredential, ""},
    Pattern{": not found", "", "ManifestUnknown", ""},
    Pattern{"code = NotFound", "", "ManifestUnknown", ""},
    Pattern{"registry is unavailable", "", "RegistryUnreachable", "it is unavailable"},
    Pattern{"RegistryUnavailable", "", "RegistryUnreachable", "it is unavailable"},
    Pattern{"couldn't parse image", "", "InvalidReference", "the container runtime refuses it."},
    Pattern{"invalid reference format", "", "InvalidReference", "the container runtime refuses it."},
};

struct Joined {
  std::string_view reason;
  std::string_view sentence;
};

constexpr std::string_view kLetInByNow =
    "The operator is let in with the same credential by now, so the node's next try may succeed, within five minutes.";

constexpr std::array kAlthoughFound = {
    Joined{"CredentialNotAttached", "The operator finds the image with it."},
    Joined{"CredentialRefused", kLetInByNow},
    Joined{"MintedCredentialRefused", kLetInByNow},
    Joined{
        "InsufficientScope",
        "The operator may read the image with the same credential by now, so the node's next try may succeed, within "
        "five minutes."},
    Joined{
        "ManifestUnknown",
        "The operator finds the image by now, so the node's next try may succeed, within five minutes; if not, a proxy "
        "or mirror of the node does not know it."},
    Joined{"RegistryUnreachable", "The operator reaches the registry, so the cause lies between it and that node."},
    Joined{"RegistryForbidden",
           "The operator is let in from where it runs, so it is the node's network that is refused."},
    Joined{"TLSUntrusted", "The operator trusts the certificate, so the authority is missing on the node alone."},
    Joined{"DigestMismatch",
           "The operator got what the digest says, so the content was changed or cut short on the way to the node."},
};

/// Where content lies that a registry redirects to: "*.blob.core.windows.net", of which another one may be named each
/// time, or the registry's own data endpoint; empty: the registry itself failed.
std::string content_host(std::string_view message) {
  constexpr std::string_view kHostCharacters = "abcdefghijklmnopqrstuvwxyz0123456789.-";
  for (const std::string_view storage :
       {".blob.core.windows.net", ".blob.core.usgovcloudapi.net", ".blob.core.chinacloudapi.cn"}) {
    if (message.find(storage) != std::string_view::npos) return "*" + std::string(storage);
  }
  for (const std::string_view suffix : {".data.azurecr.io", ".data.azurecr.us", ".data.azurecr.cn"}) {
    const std::size_t at = message.find(suffix);
    if (at == std::string_view::npos) continue;
    const std::size_t before = message.substr(0, at).find_last_not_of(kHostCharacters);
    const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
    constexpr std::size_t kLongestHost = 253;
    if (at - begin > kLongestHost) return "*" + std::string(suffix);
    return std::string(message.substr(begin, at - begin)) + std::string(suffix);
  }
  return {};
}

std::optional<PullCause> classify_one(std::string_view message, bool has_credential) {
  for (const Pattern& pattern : kPatterns) {
    if (message.find(pattern.first) == std::string_view::npos) continue;
    if (message.find(pattern.second) == std::string_view::npos) continue;
    std::string_view reason = pattern.reason;
    if (reason == kByCredential) reason = has_credential ? "CredentialRefused" : "CredentialMissing";
    PullCause cause{reason, std::string(pattern.detail)};
    const std::string host = reason == "RegistryUnreachable" ? content_host(message) : std::string();
    if (!host.empty())
      cause.detail +=
          ", on the way to " + host + ", where the image's content lies and which a firewall must allow too";
    return cause;
  }
  return std::nullopt;
}

/// The errors of the kubelet's aggregate, or the whole message.
std::vector<std::string_view> split_aggregate(std::string_view message) {
  constexpr std::string_view kSeparator = ", rpc error:";
  std::vector<std::string_view> parts;
  if (message.find("[rpc error:") == std::string_view::npos) return {message};
  while (true) {
    const std::size_t at = message.find(kSeparator);
    parts.push_back(message.substr(0, at));
    if (at == std::string_view::npos) return parts;
    message.remove_prefix(at + kSeparator.size());
  }
}

/// What is left of an unknown error once the wrappers that every pull error has are taken off.
std::string innermost(std::string_view message) {
  constexpr std::string_view kMark = "ErrImagePull: ";
  if (const std::size_t mark = message.find(kMark); mark != std::string_view::npos) {
    message.remove_prefix(mark + kMark.size());
  } else if (message.starts_with("Back-off pulling image")) {
    return {};
  }
  if (message.empty()) return {};
  const std::size_t last = message.rfind("\": ");
  return ": " + clean_text(last == std::string_view::npos ? message : message.substr(last + 3), 300);
}

}  // namespace

PullCause classify_pull_error(std::string_view message, bool has_credential) {
  std::optional<PullCause> noise;
  for (const std::string_view part : split_aggregate(message)) {
    const std::optional<PullCause> cause = classify_one(part, has_credential);
    if (!cause) continue;
    if (!has_credential || cause->reason != "CredentialMissing") return *cause;
    if (!noise) noise = cause;
  }
  if (noise) return *noise;
  return {"ImagePullFailed", innermost(message)};
}

bool is_clock_of_node(const PullCause& cause) {
  return cause.reason == "TLSUntrusted" && cause.detail == kOutOfTime;
}

std::string_view although_found(std::string_view reason) {
  for (const Joined& joined : kAlthoughFound) {
    if (joined.reason == reason) return joined.sentence;
  }
  return {};
}

bool is_refusal(std::string_view reason) {
  return reason == "CredentialMissing" || reason == "CredentialNotAttached" || reason == "CredentialRefused" ||
         reason == "MintedCredentialRefused" || reason == "InsufficientScope" || reason == "RegistryForbidden";
}

bool is_pull_reason(std::string_view reason) {
  return reason == "ImagePullFailed" || reason == "ImageNotPresent" || reason == "PullSecretMissing" ||
         is_refusal(reason) ||
         std::any_of(kPatterns.begin(), kPatterns.end(), [&](const Pattern& each) { return each.reason == reason; });
}

}  // namespace imageclassifier::diagnosis
