#include "operator/registry/manifest.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "common/sha256.hpp"
#include "operator/registry/kept_members.hpp"

namespace imageclassifier::registry {
namespace {

using nlohmann::json;

constexpr std::size_t kMaximumDocument = 2U << 20U;

constexpr std::string_view kPrefix = "sha256:";
constexpr std::size_t kMaximumPlatforms = 64;
constexpr std::size_t kMaximumWord = 32;

const json& member(const json& object, const char* key) {
  static const json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(key);
  return found == object.end() ? kNothing : *found;
}

std::string text(const json& object, const char* key) {
  const json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

/// Words of a platform come from whoever made the image, and are shown to people.
bool is_word(const std::string& word) {
  return word.size() <= kMaximumWord && std::all_of(word.begin(), word.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
         });
}

bool is_platform(const Platform& platform) {
  const bool named = !platform.os.empty() && !platform.architecture.empty() && platform.os != "unknown";
  return named && is_word(platform.os) && is_word(platform.architecture) && is_word(platform.variant);
}

Platform platform_of(const json& object) {
  return {text(object, "os"), text(object, "architecture"), text(object, "variant")};
}

/// The members that are read, at any depth: what else a document holds is never held by us.
json parse_document(std::string_view body) {
  static const std::set<std::string, std::less<>> kRead = {"mediaType", "manifests", "platform",     "config",
                                                           "digest",    "os",        "architecture", "variant"};
  if (body.size() > kMaximumDocument) return json();
  return parse_kept(body, [](int, const std::string& key) { return kRead.contains(key); });
}

enum class Kind { kNone, kIndex, kImage };

Kind kind_of(std::string_view media_type) {
  if (media_type == "application/vnd.oci.image.index.v1+json" ||
      media_type == "application/vnd.docker.distribution.manifest.list.v2+json") {
    return Kind::kIndex;
  }
  if (media_type == "application/vnd.oci.image.manifest.v1+json" ||
      media_type == "application/vnd.docker.distribution.manifest.v2+json") {
    return Kind::kImage;
  }
  return Kind::kNone;
}

/// A Helm chart, a signature and the like are manifests too, with another configuration.
bool is_of_image(std::string_view media_type) {
  return media_type.empty() || media_type == "application/vnd.oci.image.config.v1+json" ||
         media_type == "application/vnd.docker.container.image.v1+json";
}

Manifest index_of(const json& object) {
  Manifest manifest;
  manifest.is_index = true;
  for (const json& entry : member(object, "manifests")) {
    Platform platform = platform_of(member(entry, "platform"));
    if (is_platform(platform)) manifest.platforms.push_back(std::move(platform));
    if (manifest.platforms.size() == kMaximumPlatforms) break;
  }
  std::sort(manifest.platforms.begin(), manifest.platforms.end());
  manifest.platforms.erase(std::unique(manifest.platforms.begin(), manifest.platforms.end()), manifest.platforms.end());
  return manifest;
}

}  // namespace

std::string to_string(const Platform& platform) {
  return platform.os + "/" + platform.architecture + (platform.variant.empty() ? "" : "/" + platform.variant);
}

Result<Manifest> parse_manifest(std::string_view media_type, std::string_view body) {
  const json object = parse_document(body);
  if (!object.is_object()) return fail(ErrorCode::kDataLoss, "The registry's answer is no manifest.");
  media_type = media_type.substr(0, media_type.find(';'));
  Kind kind = kind_of(text(object, "mediaType"));
  if (kind == Kind::kNone) kind = kind_of(media_type);
  if (kind == Kind::kNone && member(object, "manifests").is_array()) kind = Kind::kIndex;
  if (kind == Kind::kNone && member(object, "config").is_object()) kind = Kind::kImage;
  if (kind == Kind::kIndex) return index_of(object);
  Manifest manifest;
  const json& configuration = member(object, "config");
  manifest.configuration = text(configuration, "digest");
  if (kind == Kind::kNone || !is_digest(manifest.configuration) || !is_of_image(text(configuration, "mediaType"))) {
    return fail(ErrorCode::kUnsupported, "What the registry holds under this name is no container image.");
  }
  return manifest;
}

Result<Platform> parse_configuration(std::string_view body) {
  Platform platform = platform_of(parse_document(body));
  if (!is_platform(platform)) {
    return fail(ErrorCode::kDataLoss, "The image's configuration does not say what it runs on.");
  }
  return platform;
}

bool is_digest(std::string_view text) {
  return text.starts_with(kPrefix) && text.size() == kPrefix.size() + 64 &&
         text.find_first_not_of("0123456789abcdef", kPrefix.size()) == std::string_view::npos;
}

std::string digest_of(std::string_view bytes) {
  return std::string(kPrefix) + sha256_hex(bytes);
}

}  // namespace imageclassifier::registry
