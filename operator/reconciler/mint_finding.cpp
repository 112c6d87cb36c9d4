#include "operator/reconciler/mint_finding.hpp"

#include "operator/resources/token_request_grant.hpp"

namespace imageclassifier::reconciler {
namespace {

using diagnosis::Finding;
using diagnosis::make_finding;
using registry::MintProblem;

/// Whose credential is refused, as people call it.
std::string identity_of(const Observed& observed) {
  const api::RegistryAuth& auth = observed.classifier.spec.auth;
  if (const auto* principal = std::get_if<api::ServicePrincipal>(&auth)) return "application " + principal->client_id;
  if (const auto* workload = std::get_if<api::WorkloadIdentity>(&auth)) {
    const std::string& told = observed.account ? observed.account->client_id : std::string();
    return "application " + (workload->client_id.empty() ? told : workload->client_id);
  }
  if (const auto* managed = std::get_if<api::ManagedIdentity>(&auth)) {
    const std::string& id = managed->client_id.empty() ? managed->resource_id : managed->client_id;
    return id.empty() ? "the managed identity" : "managed identity " + id;
  }
  return {};
}

/// The ServiceAccount or the Secret that the specification names.
std::string proof_of(const Observed& observed) {
  const api::RegistryAuth& auth = observed.classifier.spec.auth;
  if (const auto* principal = std::get_if<api::ServicePrincipal>(&auth)) return principal->secret_name;
  if (const auto* workload = std::get_if<api::WorkloadIdentity>(&auth)) return workload->service_account_name;
  return {};
}

/// Why, with whom it is about where the reason does not say.
std::string way_text(const registry::MintFailure& failure, const std::string& server) {
  switch (failure.problem) {
    case MintProblem::kServerNotAllowed:
      if (failure.host.empty()) return server;
      return failure.host + " (the token server that " + server + " names)";
    case MintProblem::kIdentityProviderUnavailable:
      return failure.host.empty() ? failure.detail : failure.host + ": " + failure.detail;
    default:
      return failure.detail;
  }
}

/// With what has to be applied, unless names are so long that it has no room in a status. `account` is the operator's,
/// NAMESPACE:NAME, or empty.
Finding with_grant(Finding finding, const api::ImageClassifier& classifier, const std::string& account) {
  constexpr std::size_t kMostForRemedy = api::kMaxMessageBytes * 7 / 8;
  resources::OperatorAccount asking;
  if (const std::size_t colon = account.find(':'); colon != std::string::npos)
    asking = {account.substr(0, colon), account.substr(colon + 1)};
  const std::string line = resources::token_request_grant_line(classifier, asking);
  if (!line.empty() && finding.remedy.size() + line.size() < kMostForRemedy)
    finding.remedy += " They are, as YAML: " + line;
  return finding;
}

/// What is wrong with the credential in the Secret, with what is to be done about the cause of it.
Finding about_secret(std::string_view reason, const std::string& secret, const Finding& cause) {
  Finding finding = make_finding(reason, {{"secret", secret}, {"cause", cause.message}});
  finding.remedy = cause.remedy;
  finding.object = cause.object;
  return finding;
}

}  // namespace

Finding source_finding(const Observed& observed, const std::string& secret, const std::string& detail) {
  const std::string& space = observed.classifier.metadata.namespace_name;
  const auto about = [&](Finding finding) {
    finding.object = "Secret " + secret;
    return finding;
  };
  if (!observed.secrets_forbidden.empty())
    return about(make_finding("SecretForbidden", {{"secret", secret}, {"detail", observed.secrets_forbidden}}));
  if (!observed.source_secret) return about(make_finding("SecretNotFound", {{"secret", secret}, {"namespace", space}}));
  return about(make_finding(
      "SecretMalformed", {{"secret", secret}, {"field", "spec.registry.auth.servicePrincipal"}, {"detail", detail}}));
}

std::optional<Finding> account_finding(const Observed& observed, const api::WorkloadIdentity& workload) {
  const std::string& name = workload.service_account_name;
  const std::string& space = observed.classifier.metadata.namespace_name;
  const auto about = [&](Finding finding) {
    finding.object = "ServiceAccount " + name;
    return finding;
  };
  if (!observed.account_forbidden.empty()) {
    return about(make_finding("ServiceAccountForbidden", {{"account", name}, {"detail", observed.account_forbidden}}));
  }
  if (!observed.account)
    return about(make_finding("ServiceAccountNotFound", {{"account", name}, {"namespace", space}}));
  for (const auto& [field, given, told] : {std::tuple("clientID", workload.client_id, observed.account->client_id),
                                           std::tuple("tenantID", workload.tenant_id, observed.account->tenant_id)}) {
    if (!given.empty() || !told.empty()) continue;
    const std::string annotation = std::string(field) == "clientID" ? "client-id" : "tenant-id";
    return about(make_finding("IdentityIncomplete", {{"field", field}, {"account", name}, {"annotation", annotation}}));
  }
  return std::nullopt;
}

Finding identity_finding(const Observed& observed, const api::ManagedIdentity&, bool none) {
  const std::string identity = identity_of(observed);
  const std::string& space = observed.classifier.metadata.namespace_name;
  if (none) return make_finding("IdentityNotListed", {{"identity", identity}, {"namespace", space}});
  return make_finding("IdentityAmbiguous", {{"namespace", space}});
}

Finding mint_finding(const registry::MintFailure& failure, const Observed& observed, const std::string& server) {
  const std::string identity = identity_of(observed), proof = proof_of(observed);
  const std::string& space = observed.classifier.metadata.namespace_name;
  const std::string way = way_text(failure, server);
  const auto finding = [&](std::string_view reason) {
    return make_finding(reason, {{"server", failure.host.empty() ? server : failure.host},
                                 {"who", "the operator"},
                                 {"identity", identity},
                                 {"secret", proof},
                                 {"account", proof},
                                 {"namespace", space},
                                 {"cloud", observed.classifier.spec.minting.cloud},
                                 {"name", observed.classifier.metadata.name},
                                 {"detail", way}});
  };
  switch (failure.problem) {
    case MintProblem::kServerNotAllowed:
      return finding("RegistryNotAllowed");
    case MintProblem::kAddressRefused:
      return finding("RegistryAddressRefused");
    case MintProblem::kCloudUnknown:
      return finding("CloudUnknown");
    case MintProblem::kServiceAccountNotFound:
      return finding("ServiceAccountNotFound");
    case MintProblem::kTokenRequestForbidden:
      return with_grant(finding("TokenRequestForbidden"), observed.classifier, failure.detail);
    case MintProblem::kFederationNotFound:
      return finding("FederationNotFound");
    case MintProblem::kAssertionExpired:
      return finding("AssertionExpired");
    case MintProblem::kIdentityNotFound:
      return finding("IdentityNotFound");
    case MintProblem::kClientSecretInvalid:
      return finding("ClientSecretInvalid");
    case MintProblem::kClientSecretExpired:
      return finding("ClientSecretExpired");
    case MintProblem::kAudienceUnknown:
      return finding("AudienceUnknown");
    case MintProblem::kIdentityRefused:
      return finding("IdentityRefused");
    case MintProblem::kIdentityNotAssigned:
      return finding("IdentityNotAssigned");
    case MintProblem::kIdentityProviderUnavailable:
      return finding("IdentityProviderUnavailable");
    case MintProblem::kMetadataUnavailable:
      return finding("IMDSUnavailable");
    case MintProblem::kMetadataBusy:
      return finding("IMDSBusy");
    case MintProblem::kExchangeDenied:
      return finding("ExchangeDenied");
    case MintProblem::kClockSkew:
      return finding("ClockSkew");
    case MintProblem::kRegistryAnswerInvalid:
      return finding("RegistryAnswerInvalid");
    case MintProblem::kRegistryForbidden:
      return finding("RegistryForbidden");
    case MintProblem::kUntrusted:
      return finding("TLSUntrusted");
    case MintProblem::kCertificateOutOfTime:
      return finding("CertificateOutOfTime");
    case MintProblem::kThrottled:
      return finding("Throttled");
    case MintProblem::kRegistryUnreachable:
      break;
  }
  return finding("RegistryUnreachable");
}

Finding minted_finding(const std::string& secret, const CredentialAssessment& credential) {
  return make_finding("Minted", {{"secret", secret}, {"source", credential.source}, {"server", credential.server}});
}

Finding mint_pending(const CredentialAssessment& credential) {
  return make_finding("MintPending", {{"source", credential.source}, {"server", credential.server}});
}

Finding rotation_failing(RotationStage stage, const std::string& secret, const Finding& cause) {
  switch (stage) {
    case RotationStage::kBegun:
      break;
    case RotationStage::kHalf:
      return about_secret("RotationUrgent", secret, cause);
    case RotationStage::kFifth:
      return about_secret("RotationCritical", secret, cause);
  }
  return about_secret("RotationFailing", secret, cause);
}

bool is_rotation_failing(std::string_view reason) {
  return reason == "RotationFailing" || reason == "RotationUrgent" || reason == "RotationCritical";
}

Finding expired(const std::string& secret, const Finding& cause) {
  return about_secret("Expired", secret, cause);
}

Finding name_conflict(const std::string& secret) {
  Finding finding = make_finding("NameConflict", {{"kind", "Secret"}, {"object", secret}});
  finding.object = "Secret " + secret;
  return finding;
}

}  // namespace imageclassifier::reconciler
