#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>

#include "operator/reconciler/credential.hpp"
#include "operator/reconciler/mint_finding.hpp"
#include "operator/reconciler/observed.hpp"
#include "operator/registry/mint.hpp"
#include "operator/registry/settings.hpp"

namespace imageclassifier::reconciler {

// Credentials that the operator mints, and mints anew before they end: spec.registry.auth.servicePrincipal,
// workloadIdentity and managedIdentity. All pure.

/// Annotations of the pull Secret: all that a restart needs to know, so that it mints nothing.
inline constexpr const char* kExpiresAt = "imageclassifier.dev/expires-at";    ///< RFC 3339
inline constexpr const char* kMintedAt = "imageclassifier.dev/minted-at";      ///< RFC 3339
inline constexpr const char* kInputsHash = "imageclassifier.dev/inputs-hash";  ///< MintInquiry::inputs

/// What is to be asked so that a resource gets its credential.
struct MintInquiry {
  /// A digest of what the credential is for, "-", and one of all else that it comes from: who mints it, and the version
  /// of the Secret, or the uid of the ServiceAccount, that is shown for it; and, while there are some, "-" and one of
  /// the repositories that pods of before may need.
  std::string inputs;
  registry::MintQuestion question;
  std::optional<diagnosis::Finding> obstacle;  ///< why it cannot be asked; of the inputs only the first part is known
};
MintInquiry mint_inquiry(const Observed& observed, const registry::Settings& settings);

/// When a credential is exchanged: after half of its life, at most an hour, and up to a tenth of that earlier or later,
/// always the same for one resource, so that those that were made together do not ask together.
WallTime rotate_at(WallTime minted, WallTime expires, const std::string& uid);

/// When a rotation that was due and fails comes to its next stages, kHalf and kFifth.
std::array<WallTime, 2> rotation_alarms(WallTime due, WallTime expires);
RotationStage rotation_stage(WallTime due, WallTime expires, WallTime now);

/// When the minted credential ends that the pull Secret holds; nothing: it holds none that is of any use now.
std::optional<WallTime> held_until(const Observed& observed);

/// Whether there is no credential that is good for the inputs, or it is time for the next one.
bool wants_mint(const Observed& observed, WallTime now);

/// A failed mint never takes the place of a credential that works: also where the inputs have changed since, as long as
/// it is for the same repository. `result`: with server and source.
CredentialAssessment assess_minted(const Observed& observed, CredentialAssessment result, WallTime now);

/// The pause after the `attempt`th failure in a row, counted from 0; `seed` decides on its random part. `left`: the
/// life of the credential that works still.
Duration mint_pause(const registry::MintFailure& failure, int attempt, Duration left, std::size_t seed);

}  // namespace imageclassifier::reconciler
