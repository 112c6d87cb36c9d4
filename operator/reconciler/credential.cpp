#include "operator/reconciler/credential.hpp"

#include "operator/reconciler/access.hpp"
#include "operator/reconciler/mint_finding.hpp"
#include "operator/reconciler/minting.hpp"
#include "operator/reconciler/rollout.hpp"
#include "operator/registry/docker_config.hpp"
#include "operator/registry/image_reference.hpp"
#include "operator/resources/builders.hpp"

namespace imageclassifier::reconciler {
namespace {

using diagnosis::make_finding;

constexpr const char* kDockerConfigType = "kubernetes.io/dockerconfigjson";
constexpr const char* kDockerConfigKey = ".dockerconfigjson";

diagnosis::Finding about_secret(std::string_view reason, const Observed& observed, const std::string& secret,
                                const std::string& server, const std::string& detail = {}) {
  diagnosis::Finding finding = make_finding(reason, {{"secret", secret},
                                                     {"source", secret},
                                                     {"field", "spec.registry.auth"},
                                                     {"server", server},
                                                     {"image", observed.classifier.spec.image},
                                                     {"namespace", observed.classifier.metadata.namespace_name},
                                                     {"detail", detail}});
  finding.object = "Secret " + secret;
  return finding;
}

diagnosis::Finding absent(const Observed& observed, const std::string& secret, const std::string& server) {
  if (observed.secrets_forbidden.empty()) return about_secret("SecretNotFound", observed, secret, server);
  return about_secret("SecretForbidden", observed, secret, server, observed.secrets_forbidden);
}

CredentialAssessment assess_existing(const Observed& observed, const std::string& name, CredentialAssessment result) {
  if (!observed.source_secret) {
    result.finding = absent(observed, name, result.server);
    return result;
  }
  const ObservedSecret& secret = *observed.source_secret;
  const auto malformed = [&](const std::string& detail) {
    return about_secret("SecretMalformed", observed, name, result.server, detail);
  };
  if (secret.type != kDockerConfigType) {
    result.finding = malformed("its type must be " + std::string(kDockerConfigType));
    return result;
  }
  const Result<Secret> config = value_of(secret, kDockerConfigKey);
  if (!config) {
    result.finding = malformed(config.error().message);
    return result;
  }
  switch (registry::match_docker_config(*config, result.server)) {
    case registry::DockerConfigMatch::kMalformed:
      result.finding = malformed("it holds no docker configuration with an auths member");
      return result;
    case registry::DockerConfigMatch::kAuthInvalid:
      result.finding = malformed("the auth of its entry for " + result.server + " is not USER:PASSWORD in base64");
      return result;
    case registry::DockerConfigMatch::kNoServer:
      result.finding = about_secret("ServerMismatch", observed, name, result.server);
      return result;
    case registry::DockerConfigMatch::kMatches:
      break;
  }
  result.finding = about_secret("UserProvided", observed, name, result.server);
  result.credential = registry::credential_in(*config, result.server);
  result.usable = true;
  return result;
}

CredentialAssessment assess_basic(const Observed& observed, const api::BasicCredential& basic,
                                  CredentialAssessment result) {
  if (!observed.source_secret || !observed.secrets_forbidden.empty()) {
    result.finding = absent(observed, basic.secret_name, result.server);
    return result;
  }
  const Result<Secret> username = value_of(*observed.source_secret, basic.username_key);
  const Result<Secret> password = value_of(*observed.source_secret, basic.password_key);
  if (!username || !password) {
    const Error& error = username ? password.error() : username.error();
    result.finding = about_secret("SecretMalformed", observed, basic.secret_name, result.server, error.message);
    return result;
  }
  if (!registry::is_sendable({*username, *password})) {
    result.finding = about_secret("SecretMalformed", observed, basic.secret_name, result.server,
                                  "user name and password have more than 16 KiB, which no registry takes");
    return result;
  }
  const std::string ours = resources::pull_secret_name(observed.classifier);
  if (observed.pull_secret && observed.pull_secret->metadata.owner_uid != observed.classifier.metadata.uid) {
    result.finding = name_conflict(ours);
    return result;
  }
  result.credential = registry::Credential{without_line_end(*username), without_line_end(*password)};
  const Secret config =
      registry::make_docker_config(result.server, result.credential->username, result.credential->password);
  result.docker_config = Secret(registry::base64_encode(config.reveal()));
  result.finding = minted_finding(ours, result);
  result.usable = true;
  return result;
}

std::string source_of(const api::RegistryAuth& auth) {
  if (const auto* principal = std::get_if<api::ServicePrincipal>(&auth)) return "Secret " + principal->secret_name;
  if (const auto* workload = std::get_if<api::WorkloadIdentity>(&auth))
    return "ServiceAccount " + workload->service_account_name;
  return "the managed identity";
}

/// Pods of before, and a rollback to them, pull from where their images are, also if the wanted one is elsewhere.
void keep_servers_of_before(const Observed& observed, CredentialAssessment& result) {
  const auto& secret = observed.pull_secret;
  if (!result.docker_config || !secret || secret->metadata.owner_uid != observed.classifier.metadata.uid) return;
  std::set<std::string> servers;
  for (const registry::ImageReference& image : images_of_before(observed)) {
    if (image.server != result.server) servers.insert(image.server);
  }
  const Result<Secret> before = servers.empty() ? fail(ErrorCode::kNotFound, "") : value_of(*secret, kDockerConfigKey);
  const auto wanted = registry::base64_decode(result.docker_config->reveal());
  if (!before || !wanted) return;
  const Secret both = registry::with_entries_of(Secret(*wanted), *before, servers);
  result.docker_config = Secret(registry::base64_encode(both.reveal()));
}

CredentialAssessment assess_auth(const Observed& observed, CredentialAssessment result, WallTime now) {
  const api::RegistryAuth& auth = observed.classifier.spec.auth;
  if (const auto* existing = std::get_if<api::ExistingSecret>(&auth)) {
    result.source = "Secret " + existing->name;
    return assess_existing(observed, existing->name, std::move(result));
  }
  if (const auto* basic = std::get_if<api::BasicCredential>(&auth)) {
    result.source = "Secret " + basic->secret_name;
    return assess_basic(observed, *basic, std::move(result));
  }
  if (api::is_minted(auth)) {
    result.source = source_of(auth);
    return assess_minted(observed, std::move(result), now);
  }
  result.finding = make_finding("NodeIdentity");
  result.usable = true;
  return result;
}

}  // namespace

Secret without_line_end(const Secret& value) {
  std::string text = value.reveal();
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return Secret(std::move(text));
}

CredentialAssessment assess_credential(const Observed& observed, WallTime now) {
  CredentialAssessment result;
  const auto reference = registry::parse_image_reference(observed.classifier.spec.image);
  if (!reference) {
    result.finding = make_finding("InvalidReference", {{"detail", reference.error().message}});
    return result;
  }
  result.server = reference->server;
  result = assess_auth(observed, std::move(result), now);
  keep_servers_of_before(observed, result);
  return result;
}

}  // namespace imageclassifier::reconciler
