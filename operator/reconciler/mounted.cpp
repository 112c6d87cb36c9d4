#include "operator/reconciler/mounted.hpp"

#include "operator/kubernetes/tls_identity.hpp"
#include "operator/reconciler/access.hpp"
#include "operator/resources/builders.hpp"
#include "operator/resources/mounts.hpp"

namespace imageclassifier::reconciler {
namespace {

using diagnosis::Finding;
using resources::Reference;

constexpr const char* kTlsType = "kubernetes.io/tls";

Result<void> check_certificate(const ObservedSecret& secret) {
  if (secret.type != kTlsType) return fail(ErrorCode::kInvalidArgument, "its type must be " + std::string(kTlsType));
  const Result<Secret> certificate = value_of(secret, "tls.crt");
  if (!certificate) return fail(certificate.error());
  const Result<Secret> key = value_of(secret, "tls.key");
  if (!key) return fail(key.error());
  // OpenSSL would ask for a passphrase at the terminal.
  if (key->reveal().find("ENCRYPTED") != std::string::npos) {
    return fail(ErrorCode::kInvalidArgument, "tls.key is encrypted");
  }
  kubernetes::TlsConfig pair;
  pair.client_certificate_pem = certificate->reveal();
  pair.client_key_pem = *key;
  if (kubernetes::TlsIdentity::parse(pair)) return {};
  return fail(ErrorCode::kInvalidArgument, "tls.crt and tls.key are not a certificate and its key as PEM");
}

/// What is wrong with a Secret that is there.
Result<void> check_secret(const Reference& reference, const ObservedSecret& secret) {
  return reference.field == std::string(resources::kTlsField) ? check_certificate(secret) : check_credentials(secret);
}

/// Our own Secret with the password: that it does not exist yet is no fault.
std::optional<Finding> unusable_access_secret(const Observed& observed) {
  if (!resources::makes_access_secret(observed.classifier.spec)) return std::nullopt;
  const std::string name = resources::access_secret_name(observed.classifier);
  const auto about = [&](const char* reason) {
    Finding finding = diagnosis::make_finding(
        reason, {{"kind", "Secret"}, {"object", name}, {"secret", name}, {"detail", observed.secrets_forbidden}});
    finding.object = "Secret " + name;
    return finding;
  };
  if (!observed.secrets_forbidden.empty()) return about("SecretForbidden");
  if (observed.access_secret && observed.access_secret->metadata.owner_uid != observed.classifier.metadata.uid) {
    return about("NameConflict");
  }
  return std::nullopt;
}

std::optional<Finding> unusable(const Observed& observed, const Reference& reference) {
  const char* kind = to_string(reference.kind);
  const auto about = [&](const char* reason, const std::string& detail) {
    Finding finding = diagnosis::make_finding(reason, {{"kind", kind},
                                                       {"object", reference.name},
                                                       {"secret", reference.name},
                                                       {"field", reference.field},
                                                       {"key", reference.key},
                                                       {"namespace", observed.classifier.metadata.namespace_name},
                                                       {"detail", detail}});
    finding.object = std::string(kind) + " " + reference.name;
    return finding;
  };
  const auto found = observed.references.find({reference.kind, reference.name});
  if (found == observed.references.end()) {
    switch (reference.kind) {
      case Reference::Kind::kConfigMap:
        return about("ConfigMapNotFound", {});
      case Reference::Kind::kSecret:
        return about("SecretNotFound", {});
      case Reference::Kind::kPersistentVolumeClaim:
        return about("VolumeClaimNotFound", {});
    }
  }
  if (!found->second.forbidden.empty()) return about("ReadForbidden", found->second.forbidden);
  if (!reference.key.empty() && !found->second.keys.contains(reference.key)) return about("ConfigMapMalformed", {});
  if (found->second.secret) {
    if (const auto checked = check_secret(reference, *found->second.secret); !checked) {
      return about("SecretMalformed", checked.error().message);
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Finding> unusable_reference(const Observed& observed) {
  for (const Reference& reference : resources::references(observed.classifier)) {
    if (auto finding = unusable(observed, reference)) return finding;
  }
  return unusable_access_secret(observed);
}

std::string served_certificate(const Observed& observed, const std::string& tls_secret) {
  const auto found = observed.references.find({Reference::Kind::kSecret, tls_secret});
  if (found == observed.references.end() || !found->second.secret) return {};
  const Result<Secret> chain = value_of(*found->second.secret, "tls.crt");
  if (!chain) return {};
  // The server's own comes first; those that follow are authorities, which may have signed for others too.
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
  const std::size_t end = chain->reveal().find(kEnd);
  return end == std::string::npos ? std::string() : chain->reveal().substr(0, end + kEnd.size()) + "\n";
}

}  // namespace imageclassifier::reconciler
