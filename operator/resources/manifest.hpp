#pragma once

#include <array>
#include <string>

namespace imageclassifier::resources {

/// The kinds of children, in the order in which they are made.
enum class Kind {
  kSecret,
  kNetworkPolicy,
  kControllerRevision,
  kDeployment,
  kService,
  kHorizontalPodAutoscaler,
  kPodDisruptionBudget,
  kServiceMonitor
};

inline constexpr std::array kAllKinds = {
    Kind::kSecret,  Kind::kNetworkPolicy,           Kind::kControllerRevision,  Kind::kDeployment,
    Kind::kService, Kind::kHorizontalPodAutoscaler, Kind::kPodDisruptionBudget, Kind::kServiceMonitor};

/// Those that exist only while the specification asks for them.
inline constexpr std::array kOptionalKinds = {Kind::kNetworkPolicy, Kind::kHorizontalPodAutoscaler,
                                              Kind::kPodDisruptionBudget, Kind::kServiceMonitor};

/// "Secret", "NetworkPolicy"...
const char* to_string(Kind kind) noexcept;
/// "v1", "networking.k8s.io/v1"...
const char* api_version(Kind kind) noexcept;

/// One object as we want it: exactly the fields that we own, ready for server-side apply or for a POST.
struct Manifest {
  Kind kind = Kind::kDeployment;
  std::string namespace_name;
  std::string name;
  std::string body;  ///< JSON
  /// Digest of the body; also stands in the annotation kAppliedHash, so that a change of our intent is seen by
  /// comparing.
  std::string hash;
};

/// Annotation of every object that we make.
inline constexpr const char* kAppliedHash = "imageclassifier.dev/applied-hash";

/// The body with `metadata.uid` set, so that an apply can never create the object anew (409 or 422 instead).
std::string with_uid(const Manifest& manifest, const std::string& uid);

}  // namespace imageclassifier::resources
