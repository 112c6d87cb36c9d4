#include "tests/operator/reconciler/fixtures.hpp"

#include <nlohmann/json.hpp>

#include "operator/reconciler/endpoint.hpp"
#include "operator/reconciler/observe.hpp"
#include "operator/registry/docker_config.hpp"
#include "operator/resources/builders.hpp"

namespace imageclassifier::reconciler::testing {

using nlohmann::json;

namespace {

/// What the API server would store of a manifest.
json stored(const resources::Manifest& manifest, const std::string& uid) {
  json object = json::parse(manifest.body);
  object["metadata"]["uid"] = uid;
  object["metadata"]["generation"] = 1;
  object["metadata"]["creationTimestamp"] = "2026-01-31T08:00:00Z";
  return object;
}

std::string object_uid(resources::Kind kind) {
  switch (kind) {
    case resources::Kind::kSecret:
      return "secret";
    case resources::Kind::kControllerRevision:
      return "revision";
    case resources::Kind::kDeployment:
      return "deployment";
    case resources::Kind::kService:
      return "service";
    default:
      return to_string(kind);
  }
}

}  // namespace

World::World(const std::string& spec) {
  json object = json::parse(R"({"metadata": {"name": "pets", "namespace": "zoo", "uid": "owner", "generation": 1},
                                "spec": {"image": "contoso.azurecr.io/inference-server:demo"}})");
  object["spec"].merge_patch(json::parse(spec));
  observed.classifier = *api::decode_image_classifier(object.dump());
}

World& World::basic_secret(const std::string& password) {
  const json secret = {
      {"metadata", {{"name", "acr-credentials"}}},
      {"type", "Opaque"},
      {"data", {{"username", registry::base64_encode("puller")}, {"password", registry::base64_encode(password)}}}};
  observed.source_secret = parse_secret(secret.dump());
  return *this;
}

World& World::settle(int rounds) {
  for (int round = 0; round < rounds; ++round) {
    const Plan plan = make_plan(observed, testing::kNow);
    for (const Action& action : plan.actions) carry_out(action);
    if (plan.actions.empty()) break;
  }
  return *this;
}

World& World::carry_out(const Action& action) {
  const bool gone = action.step == Step::kDelete;
  const json object = gone ? json() : stored(action.manifest, object_uid(action.manifest.kind));
  switch (action.manifest.kind) {
    case resources::Kind::kSecret: {
      const bool access = action.manifest.name == resources::access_secret_name(observed.classifier);
      std::optional<ObservedSecret>& secret = access ? observed.access_secret : observed.pull_secret;
      secret.reset();
      if (!gone) secret = parse_secret(object.dump());
      break;
    }
    case resources::Kind::kControllerRevision:
      std::erase_if(observed.revisions,
                    [&](const auto& known) { return known->metadata.name == action.manifest.name; });
      if (gone) break;
      observed.revisions.push_back(std::make_shared<api::Revision>(*api::decode_revision(object.dump())));
      observed.templates[action.manifest.name] = *api::decode_template(object.dump());
      break;
    case resources::Kind::kDeployment:
      if (action.step != Step::kHandOver) store_deployment(object);
      break;
    case resources::Kind::kService:
      observed.service = std::make_shared<api::Service>(*api::decode_service(object.dump()));
      break;
    default:
      observed.optional_children.erase(action.manifest.kind);
      if (gone) break;
      observed.optional_children[action.manifest.kind] =
          std::make_shared<api::Child>(*api::decode_child(object.dump()));
  }
  return *this;
}

void World::store_deployment(json object) {
  // What is left out of an apply stays: somebody else holds it.
  const bool ours = object["spec"].contains("replicas");
  if (!ours && observed.deployment) object["spec"]["replicas"] = observed.deployment->replicas;
  auto deployment = *api::decode_deployment(object.dump());
  deployment.metadata.owns_replicas = ours;
  observed.deployment = std::make_shared<api::Deployment>(std::move(deployment));
}

World& World::deployment_status(int replicas, int updated, int available) {
  auto changed = std::make_shared<api::Deployment>(*observed.deployment);
  changed->observed_generation = changed->metadata.generation;
  changed->status_replicas = replicas;
  changed->updated_replicas = updated;
  changed->ready_replicas = changed->available_replicas = available;
  observed.deployment = changed;
  return *this;
}

World& World::address(const std::string& ip) {
  auto changed = std::make_shared<api::Service>(*observed.service);
  changed->ingress = {ip};
  observed.service = changed;
  return *this;
}

World& World::probe(EndpointState::Kind kind, const std::string& detail, bool inside) {
  observed.endpoint.kind = kind;
  const auto address = address_of(observed.classifier, observed.classifier.spec.service, *observed.service);
  observed.endpoint.url = address->probe_url;
  observed.endpoint.way = address->way;
  observed.endpoint.reached |= kind == EndpointState::Kind::kHealthy;
  observed.endpoint.detail = detail;
  observed.endpoint.inside = inside;
  return *this;
}

World& World::show(const api::Status& status) {
  observed.classifier.status = status;
  return *this;
}

World& World::pod_waits(const std::string& reason, const std::string& message) {
  auto replica_set = std::make_shared<api::ReplicaSet>();
  replica_set->metadata.uid = "replica-set";
  replica_set->metadata.owner_uid = "deployment";
  auto pod = std::make_shared<api::Pod>();
  pod->metadata.name = "pets-1";
  pod->metadata.owner_uid = "replica-set";
  api::ContainerStatus status;
  status.name = "server";
  status.waiting_reason = reason;
  status.waiting_message = message;
  pod->containers.push_back(status);
  observed.replica_sets = {replica_set};
  observed.pods = {pod};
  return *this;
}

std::string summary(const Plan& plan) {
  std::string text;
  for (const Action& action : plan.actions) {
    text += (text.empty() ? "" : ", ") + std::string(to_string(action.step)) + " " + to_string(action.manifest.kind);
    // Its name is a digest.
    if (action.manifest.kind != resources::Kind::kControllerRevision) text += " " + action.manifest.name;
  }
  return text;
}

}  // namespace imageclassifier::reconciler::testing
