#include "operator/registry/image_reference.hpp"

#include <algorithm>

namespace imageclassifier::registry {
namespace {

constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kWord = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
constexpr std::size_t kMaxNameBytes = 255;

bool only(std::string_view text, std::string_view allowed) {
  return text.find_first_not_of(allowed) == std::string_view::npos;
}

tl::unexpected<Error> invalid(std::string_view text, std::string_view why) {
  return fail(ErrorCode::kInvalidArgument, "\"" + std::string(text) + "\" is not an image name: " + std::string(why));
}

/// One part between slashes: runs of lower-case letters and digits, joined by ".", "_", "__" or dashes.
bool is_path_component(std::string_view part) {
  if (part.empty() || !only(part, "abcdefghijklmnopqrstuvwxyz0123456789._-")) return false;
  if (kLower.find(part.front()) == std::string_view::npos || kLower.find(part.back()) == std::string_view::npos) {
    return false;
  }
  return part.find("..") == std::string_view::npos && part.find("___") == std::string_view::npos &&
         part.find("._") == std::string_view::npos && part.find("_.") == std::string_view::npos &&
         part.find("-_") == std::string_view::npos && part.find("_-") == std::string_view::npos &&
         part.find(".-") == std::string_view::npos && part.find("-.") == std::string_view::npos;
}

bool is_server(std::string_view text) {
  std::string_view host = text;
  if (const std::size_t colon = host.rfind(':'); colon != std::string_view::npos && host.back() != ']') {
    const std::string_view port = host.substr(colon + 1);
    if (port.empty() || port.size() > 5 || !only(port, "0123456789") || std::stoi(std::string(port)) > 65535) {
      return false;
    }
    host = host.substr(0, colon);
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    return only(host.substr(1, host.size() - 2), "0123456789abcdefABCDEF:");
  }
  return !host.empty() && host.front() != '.' && host.front() != '-' && host.back() != '.' && host.back() != '-' &&
         only(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-");
}

/// Whether the part before the first slash names a server and not the first part of a docker.io repository.
bool looks_like_server(std::string_view part) {
  return part == "localhost" || part.find_first_of(".:[") != std::string_view::npos ||
         std::any_of(part.begin(), part.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool are_path_components(std::string_view path) {
  while (true) {
    const std::size_t slash = path.find('/');
    if (!is_path_component(path.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    path = path.substr(slash + 1);
  }
}

}  // namespace

Result<ImageReference> parse_image_reference(std::string_view text) {
  ImageReference reference;
  std::string_view rest = text;
  if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
    const std::string_view digest = rest.substr(at + 1);
    if (digest.substr(0, 7) != "sha256:" || digest.size() != 71 || !only(digest.substr(7), kHex)) {
      return invalid(text, "the digest must be sha256: and 64 lower-case hex digits.");
    }
    reference.digest = digest;
    rest = rest.substr(0, at);
  }
  const std::size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && rest.find('/', colon) == std::string_view::npos) {
    const std::string_view tag = rest.substr(colon + 1);
    if (tag.empty() || tag.size() > 128 || kWord.find(tag.front()) == std::string_view::npos ||
        !only(tag, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")) {
      return invalid(text, "the tag holds characters that no tag may hold.");
    }
    reference.tag = tag;
    rest = rest.substr(0, colon);
  } else if (reference.digest.empty()) {
    reference.tag = "latest";
  }
  const std::size_t slash = rest.find('/');
  if (slash != std::string_view::npos && looks_like_server(rest.substr(0, slash))) {
    reference.server = rest.substr(0, slash);
    rest = rest.substr(slash + 1);
    if (!is_server(reference.server)) return invalid(text, "the part before the first slash is not a host name.");
  } else {
    reference.server = "docker.io";
  }
  if (!are_path_components(rest) || rest.size() > kMaxNameBytes) {
    return invalid(text, "the repository may hold only lower-case letters, digits and single separators.");
  }
  const bool one_part = rest.find('/') == std::string_view::npos;
  reference.repository = (reference.server == "docker.io" && one_part ? "library/" : "") + std::string(rest);
  return reference;
}

}  // namespace imageclassifier::registry
