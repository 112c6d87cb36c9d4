#include "operator/registry/mint_failure.hpp"

namespace imageclassifier::registry {

const char* to_string(MintProblem problem) noexcept {
  switch (problem) {
    case MintProblem::kServerNotAllowed:
      return "ServerNotAllowed";
    case MintProblem::kAddressRefused:
      return "AddressRefused";
    case MintProblem::kCloudUnknown:
      return "CloudUnknown";
    case MintProblem::kServiceAccountNotFound:
      return "ServiceAccountNotFound";
    case MintProblem::kTokenRequestForbidden:
      return "TokenRequestForbidden";
    case MintProblem::kFederationNotFound:
      return "FederationNotFound";
    case MintProblem::kAssertionExpired:
      return "AssertionExpired";
    case MintProblem::kIdentityNotFound:
      return "IdentityNotFound";
    case MintProblem::kClientSecretInvalid:
      return "ClientSecretInvalid";
    case MintProblem::kClientSecretExpired:
      return "ClientSecretExpired";
    case MintProblem::kAudienceUnknown:
      return "AudienceUnknown";
    case MintProblem::kIdentityRefused:
      return "IdentityRefused";
    case MintProblem::kIdentityNotAssigned:
      return "IdentityNotAssigned";
    case MintProblem::kIdentityProviderUnavailable:
      return "IdentityProviderUnavailable";
    case MintProblem::kMetadataUnavailable:
      return "IMDSUnavailable";
    case MintProblem::kMetadataBusy:
      return "IMDSBusy";
    case MintProblem::kExchangeDenied:
      return "ExchangeDenied";
    case MintProblem::kRegistryForbidden:
      return "RegistryForbidden";
    case MintProblem::kRegistryUnreachable:
      return "RegistryUnreachable";
    case MintProblem::kRegistryAnswerInvalid:
      return "RegistryAnswerInvalid";
    case MintProblem::kUntrusted:
      return "TLSUntrusted";
    case MintProblem::kCertificateOutOfTime:
      return "CertificateOutOfTime";
    case MintProblem::kThrottled:
      return "Throttled";
    case MintProblem::kClockSkew:
      return "ClockSkew";
  }
  return "";
}

bool is_permanent(MintProblem problem) noexcept {
  return problem == MintProblem::kServerNotAllowed || problem == MintProblem::kCloudUnknown ||
         problem == MintProblem::kClientSecretInvalid || problem == MintProblem::kClientSecretExpired;
}

}  // namespace imageclassifier::registry
