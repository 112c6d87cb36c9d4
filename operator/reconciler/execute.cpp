#include "operator/reconciler/execute.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/json_scan.hpp"
#include "common/log.hpp"
#include "operator/api/json_access.hpp"
#include "operator/reconciler/child_finding.hpp"
#include "operator/reconciler/kinds.hpp"
#include "operator/registry/docker_config.hpp"
#include "operator/resources/mend.hpp"

namespace imageclassifier::reconciler {
namespace {

using diagnosis::Finding;
using kubernetes::ObjectName;
using kubernetes::ObjectReply;

/// Holds spec.replicas of a Deployment where that is all we say of it: from when we let go of it until the autoscaler
/// writes it (not by force: what the autoscaler has written meanwhile stays), and while its pods are left as they are.
constexpr const char* kReplicasManager = "imageclassifier-operator-replicas";

ObjectName name_of(const Action& action) {
  return {action.manifest.namespace_name, action.manifest.name};
}

Finding about(std::string_view reason, const Action& action, std::string_view detail = {}) {
  while (!detail.empty() && detail.back() == '.') detail.remove_suffix(1);
  return finding_about(reason, action.manifest.kind, action.manifest.name, detail);
}

bool says(const Error& error, std::string_view words) {
  return error.message.find(words) != std::string::npos;
}

/// The uid that an apply carries is not the object's: it was deleted and made anew in between.
bool is_another_object(const Error& error) {
  return says(error, "metadata.uid");
}

bool is_denied(const Error& error) {
  return says(error, " denied the request") || says(error, " denied request");
}

/// What an apply would leave is not valid: of our making, or of what others have put beside it.
bool is_invalid(const Error& error) {
  return error.code == ErrorCode::kInvalidArgument && !is_another_object(error) && !is_denied(error);
}

/// A refusal that stays until something changes becomes a finding, everything else an error to retry after. Who refuses
/// decides whether waiting may help, and only the message tells validation from admission, or a webhook that is down
/// from an etcd that is.
Result<std::optional<Finding>> judge(const Action& action, const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
      if (is_another_object(error)) return fail(ErrorCode::kConflict, error.message);
      if (is_denied(error)) return about("ObjectRefused", action, error.message);
      if (action.manifest.kind == resources::Kind::kDeployment)
        return about("PodTemplateInvalid", action, error.message);
      if (action.manifest.kind == resources::Kind::kService) return about("ServiceInvalid", action, error.message);
      return about("ObjectInvalid", action, error.message);
    case ErrorCode::kPermissionDenied:
      log::warning("The API server forbids a request", {{"error", error.describe()}});
      // RBAC's words. Quotas and admission forbid by the same code, and no role helps against them.
      if (says(error, " cannot ") && says(error, " resource ")) return about("RightMissing", action, error.message);
      return about("ObjectRefused", action, error.message);
    case ErrorCode::kTooLarge:
      return about("ObjectRefused", action, error.message);
    case ErrorCode::kInternal:
      if (says(error, "failed calling webhook")) return about("ObjectRefused", action, error.message);
      return fail(error);
    default:
      return fail(error);
  }
}

/// The values of a Secret, as they are sent and as they are: a policy or a webhook may quote what it refuses.
std::vector<Secret> values_of(const resources::Manifest& manifest) {
  std::vector<Secret> values;
  if (manifest.kind != resources::Kind::kSecret) return values;
  for (const auto& [key, value] : api::text_map_of(api::parse_or_null(manifest.body), "data")) {
    values.emplace_back(value);
    if (auto decoded = registry::base64_decode(value)) values.emplace_back(std::move(*decoded));
  }
  return values;
}

}  // namespace

Executor::Done Executor::run(const Action& action, const api::ImageClassifier& owner, std::stop_token stop) {
  const log::Confidential untold(values_of(action.manifest));
  switch (action.step) {
    case Step::kCreate:
      return create(action, owner, stop);
    case Step::kTakeManager:
      return take_manager(action, owner, stop);
    case Step::kScale:
      return apply(action, owner, {kReplicasManager}, stop);
    case Step::kHandOver:
      return apply(action, owner, {kReplicasManager, false}, stop);
    case Step::kApply:
      return apply(action, owner, {api::kFieldManager}, stop);
    case Step::kDelete:
      return remove(action, stop);
  }
  return fail(ErrorCode::kInternal, "unknown step");
}

Executor::Done Executor::create(const Action& action, const api::ImageClassifier& owner, std::stop_token stop) {
  const auto reply = client_.create(collection_of(action.manifest.kind), action.manifest.namespace_name,
                                    action.manifest.body, api::kFieldManager, stop);
  if (!reply) {
    if (reply.error().code == ErrorCode::kAlreadyExists) return meet_existing(action, owner, stop);
    // The kind has gone, or is going (405), and its watch has not said so yet.
    const bool no_kind = reply.error().code == ErrorCode::kNotFound || reply.error().code == ErrorCode::kUnsupported;
    if (no_kind && action.manifest.kind == resources::Kind::kServiceMonitor) {
      return about("ServiceMonitorKindMissing", action);
    }
    return judge(action, reply.error());
  }
  record(action, owner, reply->resource_version);
  return convert(action, owner, reply->body, stop);
}

Executor::Done Executor::meet_existing(const Action& action, const api::ImageClassifier& owner, std::stop_token stop) {
  const auto live = client_.get(collection_of(action.manifest.kind), name_of(action), stop);
  if (!live) return judge(action, live.error());
  const api::ObjectMeta metadata = api::decode_object_meta(find_member(live->body, "metadata").value_or(""));
  if (metadata.owner_uid != owner.metadata.uid) return about("NameConflict", action);
  if (metadata.deleting) return fail(ErrorCode::kConflict, action.manifest.name + " is still being deleted");
  // What it says of itself is not known here, and must not be taken from it.
  if (action.manifest.kind == resources::Kind::kControllerRevision) {
    return fail(ErrorCode::kConflict, action.manifest.name + " exists already");
  }
  if (auto converted = convert(action, owner, live->body, stop); !converted || *converted) return converted;
  Action again = action;
  again.step = Step::kApply;
  again.uid = metadata.uid;
  return apply(again, owner, {api::kFieldManager}, stop);
}

Executor::Done Executor::apply(const Action& action, const api::ImageClassifier& owner,
                               const kubernetes::ApplyOptions& options, std::stop_token stop) {
  const auto attempt = [&] {
    return client_.apply(collection_of(action.manifest.kind), name_of(action),
                         resources::with_uid(action.manifest, action.uid), options, stop);
  };
  auto reply = attempt();
  bool mended = false;
  if (!reply && options.force && is_invalid(reply.error())) {
    const Result<bool> done = mend(action, owner, stop);
    if (!done) return fail(done.error());
    mended = *done;
    if (mended) reply = attempt();
  }
  if (!reply) return judge(action, reply.error());
  record(action, owner, reply->resource_version);
  return mended ? convert(action, owner, reply->body, stop) : Done(std::nullopt);
}

Result<bool> Executor::mend(const Action& action, const api::ImageClassifier& owner, std::stop_token stop) {
  const auto& collection = collection_of(action.manifest.kind);
  const auto live = client_.get(collection, name_of(action), stop);
  if (!live && live.error().code == ErrorCode::kPermissionDenied) return false;
  if (!live) return fail(live.error());
  if (live->uid != action.uid) return fail(ErrorCode::kConflict, action.manifest.name + " was made anew");
  std::string patch = resources::mending_patch(action.manifest, live->body);
  if (patch.empty()) return false;
  const auto reply = client_.patch(collection, name_of(action), kubernetes::PatchType::kJson, std::move(patch),
                                   api::kFieldManager, stop);
  if (!reply) {
    const ErrorCode code = reply.error().code;
    if (code == ErrorCode::kInvalidArgument || code == ErrorCode::kPermissionDenied) return false;
    return fail(reply.error());
  }
  record(action, owner, reply->resource_version);
  return true;
}

Executor::Done Executor::take_manager(const Action& action, const api::ImageClassifier& owner, std::stop_token stop) {
  const auto live = client_.get(collection_of(action.manifest.kind), name_of(action), stop);
  if (!live) return judge(action, live.error());
  if (live->uid != action.uid) return fail(ErrorCode::kConflict, action.manifest.name + " was made anew");
  return convert(action, owner, live->body, stop);
}

Executor::Done Executor::convert(const Action& action, const api::ImageClassifier& owner, const std::string& object,
                                 std::stop_token stop) {
  const nlohmann::json managed = api::member_at(api::parse_or_null(object), {"metadata", "managedFields"});
  const auto is_ours = [](const nlohmann::json& entry, std::string_view operation) {
    return api::text_of(entry, "manager") == api::kFieldManager && api::text_of(entry, "operation") == operation &&
           api::text_of(entry, "subresource").empty();
  };
  const bool applied =
      std::any_of(managed.begin(), managed.end(), [&](const nlohmann::json& entry) { return is_ours(entry, "Apply"); });
  for (std::size_t i = 0; i < managed.size(); ++i) {
    if (!is_ours(managed[i], "Update")) continue;
    const std::string path = "/metadata/managedFields/" + std::to_string(i);
    nlohmann::json patch = {{{"op", "test"}, {"path", path + "/manager"}, {"value", api::kFieldManager}},
                            {{"op", "test"}, {"path", path + "/operation"}, {"value", "Update"}}};
    if (applied) {
      patch.push_back({{"op", "remove"}, {"path", path}});
    } else {
      patch.push_back({{"op", "replace"}, {"path", path + "/operation"}, {"value", "Apply"}});
    }
    const auto reply = client_.patch(collection_of(action.manifest.kind), name_of(action), kubernetes::PatchType::kJson,
                                     patch.dump(), api::kFieldManager, stop);
    // A failed test means that the entries moved in between: the next pass sees them again.
    if (!reply && reply.error().code == ErrorCode::kInvalidArgument) {
      return fail(ErrorCode::kConflict, reply.error().message);
    }
    if (!reply) return judge(action, reply.error());
    record(action, owner, reply->resource_version);
    return std::nullopt;
  }
  return std::nullopt;
}

Executor::Done Executor::remove(const Action& action, std::stop_token stop) {
  kubernetes::DeleteOptions options;
  options.uid = action.uid;
  options.resource_version = action.resource_version;
  const auto gone = client_.remove(collection_of(action.manifest.kind), name_of(action), options, stop);
  if (!gone && gone.error().code != ErrorCode::kNotFound) return judge(action, gone.error());
  return std::nullopt;
}

void Executor::record(const Action& action, const api::ImageClassifier& owner, const std::string& resource_version) {
  // Secrets are not watched, so nothing would ever open a barrier for them.
  if (action.manifest.kind == resources::Kind::kSecret) return;
  barrier_.record({owner.metadata.namespace_name, owner.metadata.name}, collection_of(action.manifest.kind).plural,
                  resource_version);
}

}  // namespace imageclassifier::reconciler
