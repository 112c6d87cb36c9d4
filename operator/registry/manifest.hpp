#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace imageclassifier::registry {

/// What an image runs on, in Go's words: linux, arm64, v8.
struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;  ///< mostly empty
  friend auto operator<=>(const Platform&, const Platform&) = default;
};

/// "linux/arm64/v8".
std::string to_string(const Platform& platform);

/// What a registry has to be asked for, so that it answers with what it holds and not with one platform's part of it.
inline constexpr const char* kManifestTypes =
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

/// A manifest: an index says itself what its images run on, a single image only in its configuration.
struct Manifest {
  bool is_index = false;
  std::vector<Platform> platforms;  ///< of an index, without attestations; sorted, each once
  std::string configuration;        ///< of a single image: digest of its configuration
};

/// From the registry's answer; what it is says its own mediaType, else `media_type` (Content-Type, parameters left
/// out), else its members (OCI image specification 1.1; Docker image manifest 2.2). kUnsupported: another kind of
/// content, such as a Helm chart or a schema 1 manifest; kDataLoss: not a manifest at all. Pure.
Result<Manifest> parse_manifest(std::string_view media_type, std::string_view body);

/// The platform in the configuration of a single image. kDataLoss: it is none.
Result<Platform> parse_configuration(std::string_view body);

/// "sha256:" and 64 hexadecimal digits in lower case.
bool is_digest(std::string_view text);
/// The digest of these bytes.
std::string digest_of(std::string_view bytes);

}  // namespace imageclassifier::registry
