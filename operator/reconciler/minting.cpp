#include "operator/reconciler/minting.hpp"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "common/sha256.hpp"
#include "operator/api/json_access.hpp"
#include "operator/api/time.hpp"
#include "operator/reconciler/access.hpp"
#include "operator/reconciler/rollout.hpp"
#include "operator/registry/docker_config.hpp"
#include "operator/registry/image_reference.hpp"
#include "operator/resources/builders.hpp"
#include "operator/resources/drift.hpp"
#include "operator/resources/revision.hpp"

namespace imageclassifier::reconciler {
namespace {

using registry::MintProblem;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kLongestWait = minutes(60);
constexpr Duration kFirstPause = seconds(15);
constexpr Duration kLongestPause = minutes(10);
constexpr Duration kUrgentPause = seconds(60);
constexpr Duration kUrgent = minutes(15);
/// Entra tells of a federated credential that was just made after seconds to minutes, here and there.
constexpr Duration kPropagation = seconds(30);
constexpr int kPropagationTries = 10;
constexpr std::size_t kLongestSecret = 4U << 10U;

std::string digest(const nlohmann::json& of) {
  return sha256_hex(of.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)).substr(0, 16);
}

/// What somebody mends by kubectl, and then waits for.
bool is_of_this_cluster(MintProblem problem) {
  return problem == MintProblem::kTokenRequestForbidden || problem == MintProblem::kServiceAccountNotFound;
}

/// The first part of MintInquiry::inputs.
std::string target_of(std::string_view inputs) {
  return std::string(inputs.substr(0, inputs.find('-')));
}

/// What opens more than is needed any longer serves until it is exchanged.
bool serves(const std::string& inputs, const std::string& wanted) {
  return inputs == wanted || inputs.starts_with(wanted + "-");
}

/// Of the wanted image's server: from where pods of before pull.
std::vector<std::string> repositories_of_before(const Observed& observed, const registry::ImageReference& wanted) {
  std::set<std::string> repositories;
  for (const registry::ImageReference& image : images_of_before(observed)) {
    if (image.server == wanted.server && image.repository != wanted.repository) repositories.insert(image.repository);
  }
  return {repositories.begin(), repositories.end()};
}

/// What our pull Secret holds and says of it.
struct Held {
  WallTime minted;
  WallTime expires;
  Secret docker_config;  ///< in base64
  std::map<std::string, std::string> annotations;
  bool current = false;  ///< minted from the inputs that are the wanted ones now
};

std::optional<Held> held_credential(const Observed& observed) {
  const auto& secret = observed.pull_secret;
  if (!secret || secret->metadata.owner_uid != observed.classifier.metadata.uid) return std::nullopt;
  const auto content = secret->data.find(".dockerconfigjson");
  if (content == secret->data.end()) return std::nullopt;
  const nlohmann::json owned = api::parse_or_null(secret->owned.reveal());
  const std::map<std::string, std::string> all = api::text_map_of(api::member(owned, "metadata"), "annotations");
  const auto text = [&](const char* name) {
    const auto found = all.find(name);
    return found == all.end() ? std::string() : found->second;
  };
  const auto minted = api::parse_rfc3339(text(kMintedAt)), expires = api::parse_rfc3339(text(kExpiresAt));
  if (!minted || !expires) return std::nullopt;
  Held held{*minted, *expires, content->second, {}, false};
  for (const char* name : {kMintedAt, kExpiresAt, kInputsHash}) held.annotations[name] = text(name);
  const std::string& wanted = observed.minting.inputs;
  const std::string inputs = text(kInputsHash);
  if (!wanted.empty() && target_of(inputs) != target_of(wanted)) return std::nullopt;
  // Somebody else's content is not what its annotations tell of.
  const auto manifest = resources::build_pull_secret(observed.classifier, held.docker_config, held.annotations);
  if (text(resources::kAppliedHash) != manifest.hash) return std::nullopt;
  held.current = wanted.empty() || serves(inputs, wanted);
  return held;
}

/// The answer, if it is what is missing.
const registry::Minted* news(const Observed& observed, const std::optional<Held>& held, WallTime now) {
  const auto& answer = observed.minting.answer;
  if (!answer || !answer->minted) return nullptr;
  const registry::Minted& minted = *answer->minted;
  if (now >= rotate_at(minted.minted, minted.expires, observed.classifier.metadata.uid)) return nullptr;
  const bool newer = !held || !held->current || minted.expires > held->expires + seconds(1);
  return newer ? &minted : nullptr;
}

bool is_due(const Held& held, const Observed& observed, WallTime now) {
  // A clock that went back would make it last for ever.
  return now + minutes(5) < held.minted ||
         now >= rotate_at(held.minted, held.expires, observed.classifier.metadata.uid);
}

/// Who the credential is minted for, in the fields of `inquiry.question`; what the rest of the inputs is, as JSON.
nlohmann::json ask_as(const api::ServicePrincipal& principal, const Observed& observed, MintInquiry& inquiry) {
  registry::MintQuestion& question = inquiry.question;
  question.identity = registry::MintQuestion::Identity::kSecret;
  question.tenant = principal.tenant_id;
  question.client = principal.client_id;
  const auto value = observed.source_secret && observed.secrets_forbidden.empty()
                         ? value_of(*observed.source_secret, principal.secret_key)
                         : fail(ErrorCode::kNotFound, "");
  if (!value) {
    inquiry.obstacle = source_finding(observed, principal.secret_name, value.error().message);
    return {};
  }
  if (value->reveal().size() > kLongestSecret) {
    inquiry.obstacle = source_finding(observed, principal.secret_name,
                                      "the value of key " + principal.secret_key + " has more than 4 KiB");
    return {};
  }
  question.secret = without_line_end(*value);
  const api::ObjectMeta& metadata = observed.source_secret->metadata;
  return {metadata.uid, metadata.resource_version, principal.secret_key};
}

nlohmann::json ask_as(const api::WorkloadIdentity& workload, const Observed& observed, MintInquiry& inquiry) {
  registry::MintQuestion& question = inquiry.question;
  question.identity = registry::MintQuestion::Identity::kFederated;
  inquiry.obstacle = account_finding(observed, workload);
  if (inquiry.obstacle) return {};
  const ObservedAccount& account = *observed.account;
  question.client = workload.client_id.empty() ? account.client_id : workload.client_id;
  question.tenant = workload.tenant_id.empty() ? account.tenant_id : workload.tenant_id;
  question.subject = account.uid;
  return {account.uid, workload.service_account_name};
}

nlohmann::json ask_as(const api::ManagedIdentity& managed, const Observed& observed, const registry::Settings& settings,
                      MintInquiry& inquiry) {
  registry::MintQuestion& question = inquiry.question;
  question.identity = registry::MintQuestion::Identity::kMachine;
  const std::string& space = observed.classifier.metadata.namespace_name;
  const bool any = managed.client_id.empty() && managed.resource_id.empty();
  std::vector<registry::ManagedIdentity> fitting;
  std::copy_if(settings.identities.begin(), settings.identities.end(), std::back_inserter(fitting),
               [&](const registry::ManagedIdentity& listed) {
                 return listed.namespace_name == space &&
                        (any || (registry::is_same_identity(listed.client_id, managed.client_id) &&
                                 registry::is_same_identity(listed.resource_id, managed.resource_id)));
               });
  if (fitting.size() != 1) {
    inquiry.obstacle = identity_finding(observed, managed, fitting.empty());
    return {};
  }
  question.client = fitting.front().client_id;
  question.resource_id = fitting.front().resource_id;
  return {};
}

std::optional<registry::Credential> credential_of(const Secret& docker_config, const std::string& server) {
  auto decoded = registry::base64_decode(docker_config.reveal());
  if (!decoded) return std::nullopt;
  return registry::credential_in(Secret(std::move(*decoded)), server);
}

/// That the rotation fails, where this process does not know yet, as it has just begun.
std::optional<diagnosis::Finding> told_failure(const Observed& observed) {
  const api::Condition* told = api::find_condition(observed.classifier.status.conditions, "CredentialReady");
  if (observed.minting.answer || told == nullptr || !is_rotation_failing(told->reason)) return std::nullopt;
  return diagnosis::as_told(diagnosis::make_finding(told->reason), *told);
}

CredentialAssessment assess_what_is_known(const Observed& observed, CredentialAssessment result, WallTime now) {
  const std::string ours = resources::pull_secret_name(observed.classifier);
  const std::string& uid = observed.classifier.metadata.uid;
  if (observed.pull_secret && observed.pull_secret->metadata.owner_uid != uid) {
    result.finding = name_conflict(ours);
    return result;
  }
  const auto held = held_credential(observed);
  const auto show = [&](WallTime minted, WallTime expires) {
    result.expires = expires;
    result.rotate = rotate_at(minted, expires, uid);
    result.usable = true;
    result.finding = minted_finding(ours, result);
  };
  if (const registry::Minted* minted = news(observed, held, now)) {
    result.credential = registry::Credential{minted->username, minted->password};
    const Secret config = registry::make_docker_config(result.server, minted->username, minted->password);
    result.docker_config = Secret(registry::base64_encode(config.reveal()));
    result.annotations = {{kMintedAt, format_rfc3339(minted->minted)},
                          {kExpiresAt, format_rfc3339(minted->expires)},
                          {kInputsHash, observed.minting.inputs}};
    show(minted->minted, minted->expires);
    return result;
  }
  const auto& answer = observed.minting.answer;
  std::optional<diagnosis::Finding> cause = observed.minting.obstacle;
  if (!cause && answer && answer->failure) cause = mint_finding(*answer->failure, observed, result.server);
  if (held) {
    result.credential = credential_of(held->docker_config, result.server);
    result.docker_config = held->docker_config;
    result.annotations = held->annotations;
    show(held->minted, held->expires);
    if (now < held->expires) {
      if (cause) {
        result.finding = rotation_failing(rotation_stage(*result.rotate, held->expires, now), ours, *cause);
      } else if (const auto told = told_failure(observed); told && (!held->current || is_due(*held, observed, now))) {
        result.finding = *told;
      }
      return result;
    }
    result.usable = false;
    result.finding = expired(ours, cause.value_or(mint_pending(result)));
    return result;
  }
  result.finding = cause ? std::move(*cause) : mint_pending(result);
  return result;
}

}  // namespace

MintInquiry mint_inquiry(const Observed& observed, const registry::Settings& settings) {
  MintInquiry inquiry;
  const api::Spec& spec = observed.classifier.spec;
  const auto reference = registry::parse_image_reference(spec.image);
  if (!reference) return inquiry;
  registry::MintQuestion& question = inquiry.question;
  question.server = reference->server;
  if (!spec.minting.whole_registry) {
    question.repositories = {reference->repository};
    question.wished = repositories_of_before(observed, *reference);
  }
  question.cloud = spec.minting.cloud;
  inquiry.inputs = digest({question.server, question.repositories}) + "-";
  nlohmann::json proof;
  if (const auto* principal = std::get_if<api::ServicePrincipal>(&spec.auth)) {
    proof = ask_as(*principal, observed, inquiry);
  } else if (const auto* workload = std::get_if<api::WorkloadIdentity>(&spec.auth)) {
    proof = ask_as(*workload, observed, inquiry);
  } else if (const auto* managed = std::get_if<api::ManagedIdentity>(&spec.auth)) {
    proof = ask_as(*managed, observed, settings, inquiry);
  }
  if (inquiry.obstacle) return inquiry;
  const auto known = settings.clouds.find(question.cloud);
  const registry::Cloud cloud = known == settings.clouds.end() ? registry::Cloud{} : known->second;
  inquiry.inputs += digest({static_cast<int>(question.identity), question.tenant, question.client, question.resource_id,
                            question.cloud, cloud.authority, cloud.audience, cloud.fallback_audience, proof});
  if (!question.wished.empty()) inquiry.inputs += "-" + digest(question.wished);
  return inquiry;
}

WallTime rotate_at(WallTime minted, WallTime expires, const std::string& uid) {
  const Duration wait = std::min<Duration>((expires - minted) / 2, kLongestWait);
  // From -1000 to 1000.
  const auto share = static_cast<Duration::rep>(std::hash<std::string>()(uid) % 2001) - 1000;
  return minted + wait + wait / 10000 * share;
}

std::array<WallTime, 2> rotation_alarms(WallTime due, WallTime expires) {
  return {expires - (expires - due) / 2, expires - (expires - due) / 5};
}

RotationStage rotation_stage(WallTime due, WallTime expires, WallTime now) {
  const auto [half, fifth] = rotation_alarms(due, expires);
  if (now >= fifth) return RotationStage::kFifth;
  return now >= half ? RotationStage::kHalf : RotationStage::kBegun;
}

std::optional<WallTime> held_until(const Observed& observed) {
  const auto held = api::is_minted(observed.classifier.spec.auth) ? held_credential(observed) : std::nullopt;
  return held ? std::optional(held->expires) : std::nullopt;
}

bool wants_mint(const Observed& observed, WallTime now) {
  const auto held = held_credential(observed);
  return !held || !held->current || is_due(*held, observed, now);
}

CredentialAssessment assess_minted(const Observed& observed, CredentialAssessment result, WallTime now) {
  result = assess_what_is_known(observed, std::move(result), now);
  if (!observed.minting.inputs.empty()) return result;
  // Where nobody can be asked, what is told by those who can counts.
  const api::Condition* told = api::find_condition(observed.classifier.status.conditions, "CredentialReady");
  const diagnosis::Reason* reason = told == nullptr ? nullptr : diagnosis::find_reason(told->reason);
  if (reason == nullptr) return result;
  result.finding = diagnosis::as_told(diagnosis::make_finding(reason->name), *told);
  result.usable = told->status == "True";
  return result;
}

Duration mint_pause(const registry::MintFailure& failure, int attempt, Duration left, std::size_t seed) {
  Duration pause = kLongestPause;
  if (failure.problem == MintProblem::kFederationNotFound && attempt < kPropagationTries) {
    pause = kPropagation;
  } else if (!is_permanent(failure.problem)) {
    pause = std::min<Duration>(kFirstPause * (1 << std::clamp(attempt, 0, 6)), kLongestPause);
    const bool urgent = left > Duration::zero() && left < kUrgent;
    if (urgent || is_of_this_cluster(failure.problem)) pause = std::min<Duration>(pause, kUrgentPause);
    // Several more tries before it ends, however short its life is.
    if (left > Duration::zero()) pause = std::min(pause, std::max<Duration>(left / 4, seconds(1)));
    pause = pause / 2 + pause / 2000 * static_cast<Duration::rep>(seed % 1001);
  }
  return std::max<Duration>(pause, failure.retry_after);
}

}  // namespace imageclassifier::reconciler
