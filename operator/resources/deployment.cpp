#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"
#include "operator/resources/builders.hpp"

namespace imageclassifier::resources {
namespace {

nlohmann::json strategy_of(const api::RolloutSpec& rollout, bool surge) {
  if (rollout.strategy == "Recreate") return {{"type", "Recreate"}};
  if (!surge) return {{"type", "RollingUpdate"}, {"rollingUpdate", {{"maxSurge", 0}, {"maxUnavailable", 1}}}};
  return {{"type", "RollingUpdate"},
          {"rollingUpdate",
           {{"maxSurge", api::parse_or_null(rollout.max_surge_json)},
            {"maxUnavailable", api::parse_or_null(rollout.max_unavailable_json)}}}};
}

}  // namespace

Manifest build_deployment(const api::ImageClassifier& classifier, std::optional<std::int64_t> replicas,
                          const PodRevision& revision, bool surge) {
  const api::RolloutSpec& rollout = classifier.spec.rollout;
  nlohmann::json object = child_skeleton(classifier, Kind::kDeployment, classifier.metadata.name);
  object["metadata"]["annotations"] = {{api::kRevisionAnnotation, revision.name}};
  if (!classifier.pinned_image.empty()) {
    object["metadata"]["annotations"][api::kPinnedAnnotation] = classifier.pinned_image;
  }
  object["spec"] = {{"selector", {{"matchLabels", selector_labels(classifier)}}},
                    {"strategy", strategy_of(rollout, surge)},
                    {"progressDeadlineSeconds", rollout.progress_deadline_seconds},
                    {"revisionHistoryLimit", rollout.revision_history_limit},
                    {"template", api::parse_or_null(revision.template_json)}};
  if (replicas) object["spec"]["replicas"] = *replicas;
  return finish(Kind::kDeployment, std::move(object));
}

Manifest replicas_only(const api::ImageClassifier& classifier, std::int64_t replicas) {
  Manifest manifest;
  manifest.namespace_name = classifier.metadata.namespace_name;
  manifest.name = classifier.metadata.name;
  manifest.body = nlohmann::json({{"apiVersion", api_version(Kind::kDeployment)},
                                  {"kind", to_string(Kind::kDeployment)},
                                  {"metadata", {{"name", manifest.name}, {"namespace", manifest.namespace_name}}},
                                  {"spec", {{"replicas", replicas}}}})
                      .dump();
  return manifest;
}

}  // namespace imageclassifier::resources
