#include "operator/reconciler/credential.hpp"

#include "operator/reconciler/access.hpp"
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

/// People make Secrets from files; the line end of the file is not part of a password.
Secret without_line_end(const Secret& value) {
  std::string text = value.reveal();
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return Secret(std::move(text));
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
    case registry::DockerConfigMatch::kNoServer:
      result.finding = about_secret("ServerMismatch", observed, name, result.server);
      return result;
    case registry::DockerConfigMatch::kMatches:
      break;
  }
  result.finding = about_secret("UserProvided", observed, name, result.server);
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
  const std::string ours = resources::pull_secret_name(observed.classifier);
  if (observed.pull_secret && observed.pull_secret->metadata.owner_uid != observed.classifier.metadata.uid) {
    result.finding = make_finding("NameConflict", {{"kind", "Secret"}, {"object", ours}});
    result.finding.object = "Secret " + ours;
    return result;
  }
  const Secret config =
      registry::make_docker_config(result.server, without_line_end(*username), without_line_end(*password));
  result.docker_config = Secret(registry::base64_encode(config.reveal()));
  result.finding = make_finding("Minted", {{"secret", ours}, {"source", basic.secret_name}, {"server", result.server}});
  result.usable = true;
  return result;
}

}  // namespace

CredentialAssessment assess_credential(const Observed& observed) {
  CredentialAssessment result;
  const auto reference = registry::parse_image_reference(observed.classifier.spec.image);
  if (!reference) {
    result.finding = make_finding("InvalidReference", {{"detail", reference.error().message}});
    return result;
  }
  result.server = reference->server;
  const api::RegistryAuth& auth = observed.classifier.spec.auth;
  if (const auto* existing = std::get_if<api::ExistingSecret>(&auth)) {
    result.source = "Secret " + existing->name;
    return assess_existing(observed, existing->name, std::move(result));
  }
  if (const auto* basic = std::get_if<api::BasicCredential>(&auth)) {
    result.source = "Secret " + basic->secret_name;
    return assess_basic(observed, *basic, std::move(result));
  }
  result.finding = make_finding("NodeIdentity");
  result.usable = true;
  return result;
}

}  // namespace imageclassifier::reconciler
