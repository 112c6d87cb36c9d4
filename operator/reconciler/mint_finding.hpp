#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "operator/diagnosis/reasons.hpp"
#include "operator/reconciler/credential.hpp"
#include "operator/reconciler/observed.hpp"
#include "operator/registry/mint_failure.hpp"

namespace imageclassifier::reconciler {

// What people are told of credentials that are minted. Pure.

/// Why the Secret with the application's secret is of no use; `detail` of what it holds.
diagnosis::Finding source_finding(const Observed& observed, const std::string& secret, const std::string& detail);
/// What keeps the ServiceAccount from being used; nothing if it can be.
std::optional<diagnosis::Finding> account_finding(const Observed& observed, const api::WorkloadIdentity& workload);
/// The operator's configuration lists no such identity for the namespace (`none`), or several.
diagnosis::Finding identity_finding(const Observed& observed, const api::ManagedIdentity& managed, bool none);

diagnosis::Finding mint_finding(const registry::MintFailure& failure, const Observed& observed,
                                const std::string& server);
diagnosis::Finding minted_finding(const std::string& secret, const CredentialAssessment& credential);
diagnosis::Finding mint_pending(const CredentialAssessment& credential);
/// How much is left of the time from when a rotation was due to when the credential ends.
enum class RotationStage {
  kBegun,
  kHalf,  ///< at most
  kFifth  ///< at most
};
/// What the Secret holds works still, but not for ever. Each stage has a reason of its own, so that the status keeps
/// what was told, and an Event tells of each once, whatever is tried meanwhile. The remedy is that of `cause`.
diagnosis::Finding rotation_failing(RotationStage stage, const std::string& secret, const diagnosis::Finding& cause);
/// The reason of any stage.
bool is_rotation_failing(std::string_view reason);
/// What it holds has ended.
diagnosis::Finding expired(const std::string& secret, const diagnosis::Finding& cause);
/// Another's object has the name of our Secret.
diagnosis::Finding name_conflict(const std::string& secret);

}  // namespace imageclassifier::reconciler
