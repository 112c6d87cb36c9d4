#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.hpp"
#include "common/secret.hpp"
#include "operator/kubernetes/transport.hpp"
#include "operator/registry/docker_config.hpp"
#include "operator/registry/image_reference.hpp"
#include "operator/registry/manifest.hpp"

namespace imageclassifier::registry {

/// What a look at the registry has come to, before a node has to.
enum class Verdict {
  kResolved,         ///< it holds the image
  kManifestUnknown,  ///< it holds neither this tag nor this digest, or no such repository: registries do not tell which
  kNotAnImage,       ///< what it holds under the name is something else
  kDigestMismatch,   ///< what it sends is not what its digest says
  kCredentialMissing,     ///< it answers nobody without a credential
  kCredentialRefused,     ///< the credential is wrong, or is good no longer
  kInsufficientScope,     ///< the credential is good, but not for this repository
  kForbidden,             ///< it answers nobody from here: a firewall
  kThrottled,             ///< it was asked too often
  kUntrusted,             ///< its certificate was refused
  kCertificateOutOfTime,  ///< because it has ended or not begun, or our clock is wrong
  kAddressRefused,        ///< its name stands for an address that is not connected to
  kUnavailable,           ///< it cannot be reached, or is ill
  kServerNotAllowed,      ///< it is none that the operator may ask, or it sends us to one
  kAnswerInvalid          ///< it speaks another protocol
};

/// "Resolved", "ManifestUnknown"...
const char* to_string(Verdict verdict) noexcept;

struct Preflight {
  Verdict verdict = Verdict::kUnavailable;
  std::string digest;  ///< kResolved: of the index, or of the manifest of a single image
  /// kResolved: what it runs on; nothing where that could not be read, as the storage that holds it cannot be reached.
  std::optional<std::vector<Platform>> platforms;
  std::string detail;  ///< of all but kResolved: more about the cause, stable, without words of the registry
  std::chrono::seconds retry_after{};  ///< the registry asked not to be asked before that
  bool silent = false;                 ///< kUnavailable: there was no answer at all, whoever might have asked
  friend bool operator==(const Preflight&, const Preflight&) = default;
};

/// Sends a request to https://`host`, which may name a port. Follows no redirect, adds no credential, refuses addresses
/// that are loopback or link-local after the name was resolved, and bounds time and body.
using Ask = std::function<Result<kubernetes::Response>(const std::string& host, const kubernetes::Request& request)>;

/// Whether `server` is one of `allowed`, or below one of them: "contoso.azurecr.io" is below "azurecr.io". A port must
/// be named in both or in neither.
bool is_allowed(const std::string& server, const std::vector<std::string>& allowed);

/// Looks the image up as a container runtime would (OCI distribution specification 1.1; distribution's token
/// specification), in at most eight requests. `known`: what this reference has been resolved to before, by whomever, or
/// null; it is the result again, without the content being sent, where the registry says to this credential that it has
/// not changed. A credential leaves only for `allowed` servers: where the challenge names
/// another token server, none is sent. Content that a redirect leads to is asked for without one. Thread safe if `ask`
/// is.
Preflight look_up(const ImageReference& reference, const std::optional<Credential>& credential,
                  const std::vector<std::string>& allowed, const Ask& ask, WallTime now,
                  const Preflight* known = nullptr);

}  // namespace imageclassifier::registry
