#include "operator/reconciler/execute.hpp"

#include <nlohmann/json.hpp>

#include "common/json_scan.hpp"
#include "common/log.hpp"
#include "operator/api/json_access.hpp"
#include "operator/reconciler/child_finding.hpp"
#include "operator/reconciler/kinds.hpp"

namespace imageclassifier::reconciler {
namespace {

using diagnosis::Finding;
using kubernetes::ObjectName;
using kubernetes::ObjectReply;

/// Holds spec.replicas of a Deployment from when we let go of it until the autoscaler writes it. Not by force: what the
/// autoscaler has written meanwhile stays.
constexpr const char* kReplicasManager = "imageclassifier-operator-replicas";

ObjectName name_of(const Action& action) {
  return {action.manifest.namespace_name, action.manifest.name};
}

Finding about(std::string_view reason, const Action& action, std::string_view detail = {}) {
  while (!detail.empty() && detail.back() == '.') detail.remove_suffix(1);
  return finding_about(reason, action.manifest.kind, action.manifest.name, detail);
}

/// A refusal that stays until something changes becomes a finding, everything else an error to retry after.
Result<std::optional<Finding>> judge(const Action& action, const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
      // The uid that an apply carries is not the object's: it was deleted and made anew in between.
      if (error.message.find("metadata.uid") != std::string::npos) return fail(ErrorCode::kConflict, error.message);
      if (action.manifest.kind == resources::Kind::kDeployment)
        return about("PodTemplateInvalid", action, error.message);
      if (action.manifest.kind == resources::Kind::kService) return about("ServiceInvalid", action, error.message);
      return about("ObjectRefused", action, error.message);
    case ErrorCode::kPermissionDenied:
      log::warning("The API server forbids a request", {{"error", error.describe()}});
      // RBAC's words. Quotas and admission forbid by the same code, and no role helps against them.
      if (error.message.find(" cannot ") != std::string::npos &&
          error.message.find(" resource ") != std::string::npos) {
        return about("RightMissing", action, error.message);
      }
      return about("ObjectRefused", action, error.message);
    case ErrorCode::kTooLarge:
    case ErrorCode::kInternal:  // an admission webhook that fails answers so: people must see it
      return about("ObjectRefused", action, error.message);
    default:
      return fail(error);
  }
}

}  // namespace

Executor::Done Executor::run(const Action& action, const api::ImageClassifier& owner, std::stop_token stop) {
  switch (action.step) {
    case Step::kCreate:
      return create(action, owner, stop);
    case Step::kTakeManager:
      return take_manager(action, owner, stop);
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
  const auto reply = client_.apply(collection_of(action.manifest.kind), name_of(action),
                                   resources::with_uid(action.manifest, action.uid), options, stop);
  if (!reply) return judge(action, reply.error());
  record(action, owner, reply->resource_version);
  return std::nullopt;
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
  for (std::size_t i = 0; i < managed.size(); ++i) {
    const nlohmann::json& entry = managed[i];
    if (api::text_of(entry, "manager") != api::kFieldManager || api::text_of(entry, "operation") != "Update" ||
        !api::text_of(entry, "subresource").empty()) {
      continue;
    }
    const std::string path = "/metadata/managedFields/" + std::to_string(i);
    const nlohmann::json patch = {{{"op", "test"}, {"path", path + "/manager"}, {"value", api::kFieldManager}},
                                  {{"op", "test"}, {"path", path + "/operation"}, {"value", "Update"}},
                                  {{"op", "replace"}, {"path", path + "/operation"}, {"value", "Apply"}}};
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
