#include "operator/reconciler/observe.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/json_scan.hpp"
#include "common/log.hpp"
#include "operator/api/json_access.hpp"
#include "operator/diagnosis/pod.hpp"
#include "operator/reconciler/access.hpp"
#include "operator/reconciler/exposure.hpp"
#include "operator/reconciler/image.hpp"
#include "operator/reconciler/kinds.hpp"
#include "operator/reconciler/rollout.hpp"
#include "operator/resources/builders.hpp"

namespace imageclassifier::reconciler {
namespace {

/// The questions to registries each keep one.
constexpr std::size_t kLargestBundle = 64U << 10U;

/// The body, or nothing if the object does not exist.
Result<std::optional<std::string>> get_if_exists(kubernetes::ApiClient& client,
                                                 const kubernetes::GroupVersionResource& resource,
                                                 const kubernetes::ObjectName& name, std::stop_token stop) {
  auto reply = client.get(resource, name, stop);
  if (reply) return std::move(reply->body);
  if (reply.error().code == ErrorCode::kNotFound) return std::nullopt;
  return fail(reply.error());
}

template <typename T>
Result<void> read_live(std::shared_ptr<const T>& slot, kubernetes::ApiClient& client,
                       const kubernetes::GroupVersionResource& resource, const kubernetes::ObjectName& name,
                       Result<T> (*decode)(std::string_view), std::stop_token stop) {
  const auto body = get_if_exists(client, resource, name, stop);
  if (!body) return fail(body.error());
  slot = nullptr;
  if (!*body) return {};
  Result<T> object = decode(**body);
  if (!object) return fail(object.error());
  slot = std::make_shared<const T>(std::move(*object));
  return {};
}

Result<void> read_live_children(Observed& observed, const Stores& stores, kubernetes::ApiClient& client,
                                const kubernetes::ObjectName& name, std::stop_token stop) {
  if (auto read = read_live(observed.deployment, client, deployments(), name, &api::decode_deployment, stop); !read) {
    return read;
  }
  if (auto read = read_live(observed.service, client, services(), name, &api::decode_service, stop); !read) return read;
  for (const auto& [kind, store] : stores.optional_children) {
    if (kind == resources::Kind::kServiceMonitor && !observed.serves_monitors) continue;
    std::shared_ptr<const api::Child> child;
    if (auto read = read_live(child, client, collection_of(kind), name, &api::decode_child, stop); !read) return read;
    if (child) observed.optional_children.emplace(kind, std::move(child));
  }
  return {};
}

/// The wanted one: what is known of it decides what runs. The others say what they said before.
Result<void> read_live_revision(Observed& observed, kubernetes::ApiClient& client, std::stop_token stop) {
  const kubernetes::ObjectName name{observed.classifier.metadata.namespace_name,
                                    resources::pod_revision(observed.classifier).name};
  std::shared_ptr<const api::Revision> live;
  if (auto read = read_live(live, client, controller_revisions(), name, &api::decode_revision, stop); !read)
    return read;
  std::erase_if(observed.revisions, [&](const auto& cached) { return cached->metadata.name == name.name; });
  const bool ours = live && live->metadata.owner_uid == observed.classifier.metadata.uid;
  if (ours) observed.revisions.push_back(std::move(live));
  return {};
}

/// One that is gone by now is none: another may be the last good one then.
Result<void> read_templates(Observed& observed, kubernetes::ApiClient& client, std::stop_token stop) {
  const auto missing = [&] {
    for (std::string& name : needed_templates(observed)) {
      if (!observed.templates.contains(name)) return std::move(name);
    }
    return std::string();
  };
  for (std::string name = missing(); !name.empty(); name = missing()) {
    const auto body =
        get_if_exists(client, controller_revisions(), {observed.classifier.metadata.namespace_name, name}, stop);
    // The live read before a write names the right that is missing on the resource.
    if (!body && body.error().code == ErrorCode::kPermissionDenied) return {};
    if (!body) return fail(body.error());
    if (!*body) {
      std::erase_if(observed.revisions, [&](const auto& revision) { return revision->metadata.name == name; });
      continue;
    }
    Result<std::string> pod_template = api::decode_template(**body);
    if (!pod_template) return fail(pod_template.error());
    observed.templates[name] = std::move(*pod_template);
  }
  return {};
}

Result<void> read_secret(std::optional<ObservedSecret>& slot, kubernetes::ApiClient& client,
                         const kubernetes::ObjectName& name, std::stop_token stop) {
  const auto body = get_if_exists(client, secrets(), name, stop);
  if (!body) return fail(body.error());
  if (*body) slot = parse_secret(**body);
  return {};
}

/// A right that is missing is shown on the resource, because the cluster's administrator has to act.
Result<void> tell_forbidden(Observed& observed, Result<void> read) {
  if (read || read.error().code != ErrorCode::kPermissionDenied) return read;
  observed.secrets_forbidden = read.error().message;
  log::warning("The API server forbids to read a Secret", {{"error", read.error().describe()}});
  return {};
}

/// Else pods of an earlier revision may need what is no longer wanted, and it goes later.
bool is_rolled_out(const api::Status& status) {
  return status.last_good_revision.empty() || status.last_good_revision == status.update_revision;
}

Result<void> read_secrets(Observed& observed, kubernetes::ApiClient& client, std::stop_token stop) {
  const std::string& space = observed.classifier.metadata.namespace_name;
  const api::RegistryAuth& auth = observed.classifier.spec.auth;
  std::string source;
  if (const auto* existing = std::get_if<api::ExistingSecret>(&auth)) source = existing->name;
  if (const auto* basic = std::get_if<api::BasicCredential>(&auth)) source = basic->secret_name;
  if (const auto* principal = std::get_if<api::ServicePrincipal>(&auth)) source = principal->secret_name;
  if (!source.empty()) {
    auto read = tell_forbidden(observed, read_secret(observed.source_secret, client, {space, source}, stop));
    if (!read || !observed.secrets_forbidden.empty()) return read;
  }
  const std::string ours = resources::pull_secret_name(observed.classifier);
  const api::Status& status = observed.classifier.status;
  if (!api::makes_pull_secret(auth) && status.pull_secret.name != ours && is_rolled_out(status)) return {};
  return tell_forbidden(observed, read_secret(observed.pull_secret, client, {space, ours}, stop));
}

/// As a Secret that cannot be read: shown on the resource, and no reason to end what runs.
Result<void> read_account(Observed& observed, kubernetes::ApiClient& client, std::stop_token stop) {
  const auto* workload = std::get_if<api::WorkloadIdentity>(&observed.classifier.spec.auth);
  if (workload == nullptr) return {};
  const kubernetes::ObjectName name{observed.classifier.metadata.namespace_name, workload->service_account_name};
  const auto body = get_if_exists(client, service_accounts(), name, stop);
  if (!body && body.error().code == ErrorCode::kPermissionDenied) {
    observed.account_forbidden = body.error().message;
    return {};
  }
  if (!body) return fail(body.error());
  if (!*body) return {};
  const nlohmann::json object = api::parse_or_null(**body);
  const nlohmann::json& metadata = api::member(object, "metadata");
  const nlohmann::json& annotations = api::member(metadata, "annotations");
  observed.account = {api::text_of(metadata, "uid"), api::text_of(annotations, "azure.workload.identity/client-id"),
                      api::text_of(annotations, "azure.workload.identity/tenant-id")};
  return {};
}

Result<void> read_access_secret(Observed& observed, kubernetes::ApiClient& client, std::stop_token stop) {
  const api::ImageClassifier& classifier = observed.classifier;
  const std::string ours = resources::access_secret_name(classifier);
  const bool wanted = resources::makes_access_secret(classifier.spec);
  if (!wanted && classifier.status.access_secret_name != ours && is_rolled_out(classifier.status)) return {};
  const kubernetes::ObjectName name{classifier.metadata.namespace_name, ours};
  auto read = tell_forbidden(observed, read_secret(observed.access_secret, client, name, stop));
  if (!read || !wanted || (observed.access_secret && check_credentials(*observed.access_secret))) return read;
  auto password = random_password();
  if (!password) return fail(password.error());
  observed.drawn_password = std::move(*password);
  return {};
}

const kubernetes::GroupVersionResource& collection_of(resources::Reference::Kind kind) {
  switch (kind) {
    case resources::Reference::Kind::kConfigMap:
      return config_maps();
    case resources::Reference::Kind::kSecret:
      return secrets();
    case resources::Reference::Kind::kPersistentVolumeClaim:
      return persistent_volume_claims();
  }
  return secrets();
}

std::set<std::string> keys_in(const std::string& body) {
  const nlohmann::json object = api::parse_or_null(body);
  std::set<std::string> keys;
  for (const char* part : {"data", "binaryData"}) {
    for (const auto& [key, value] : api::member(object, part).items()) keys.insert(key);
  }
  return keys;
}

Result<void> read_references(Observed& observed, kubernetes::ApiClient& client, std::stop_token stop) {
  const std::string& space = observed.classifier.metadata.namespace_name;
  std::vector<resources::Reference> references = resources::references(observed.classifier);
  // Those that answer now may show another certificate than the wanted ones are to.
  const std::set<std::string> serving = serving_revisions(observed);
  for (const auto& revision : observed.revisions) {
    if (revision->tls_secret.empty() || !serving.contains(revision->metadata.name)) continue;
    references.push_back({resources::Reference::Kind::kSecret, revision->tls_secret, {}, resources::kTlsField});
  }
  for (const resources::Reference& reference : references) {
    const ReferenceKey key(reference.kind, reference.name);
    if (observed.references.contains(key)) continue;
    const auto body = get_if_exists(client, collection_of(reference.kind), {space, reference.name}, stop);
    if (body && *body) {
      ObservedReference& found = observed.references[key];
      found.keys = keys_in(**body);
      if (reference.kind == resources::Reference::Kind::kSecret) found.secret = parse_secret(**body);
    } else if (!body && body.error().code == ErrorCode::kPermissionDenied) {
      observed.references[key].forbidden = body.error().message;
      log::warning("The API server forbids to read an object that a resource names",
                   {{"error", body.error().describe()}});
    } else if (!body) {
      return fail(body.error());
    }
  }
  return {};
}

/// The kubelet passes over those that do not exist.
Result<void> read_named_pull_secrets(Observed& observed, kubernetes::ApiClient& client, std::stop_token stop) {
  const api::ImageClassifier& classifier = observed.classifier;
  const bool asked = std::any_of(observed.pods.begin(), observed.pods.end(),
                                 [](const auto& pod) { return diagnosis::is_pull_failing(*pod); });
  if (!asked) return {};
  for (const std::string& name : classifier.spec.pod.image_pull_secrets) {
    const auto body = get_if_exists(client, secrets(), {classifier.metadata.namespace_name, name}, stop);
    // Whoever may not read it does not know.
    if (!body && body.error().code != ErrorCode::kPermissionDenied) return fail(body.error());
    if (!body || *body) continue;
    observed.missing_pull_secret = name;
    return {};
  }
  return {};
}

/// For the operator's own look at the registry alone: the pods do not need it.
Result<void> read_ca_bundle(Observed& observed, kubernetes::ApiClient& client, std::stop_token stop) {
  const auto& bundle = observed.classifier.spec.image_check.ca_bundle;
  if (!bundle) return {};
  const auto body =
      get_if_exists(client, config_maps(), {observed.classifier.metadata.namespace_name, bundle->name}, stop);
  if (!body && body.error().code != ErrorCode::kPermissionDenied) return fail(body.error());
  const std::string named = "ConfigMap " + bundle->name + ", which spec.registry.caBundle names, ";
  if (!body) {
    observed.image.missing_bundle = named + "may not be read by the operator";
  } else if (!*body) {
    observed.image.missing_bundle = named + "does not exist";
  } else {
    const nlohmann::json object = api::parse_or_null(**body);
    observed.image.authorities = api::text_of(api::member(object, "data"), bundle->key);
    const bool large = observed.image.authorities.size() > kLargestBundle;
    if (large) observed.image.authorities.clear();
    if (!registry::are_certificates(observed.image.authorities))
      observed.image.missing_bundle =
          named + "has no certificates, or one that is damaged, under its key " + bundle->key;
    if (large) observed.image.missing_bundle = named + "has more than 64 KiB under its key " + bundle->key;
  }
  return {};
}

/// Decides on the pin too: what the specification makes of the pods depends on it.
Result<void> read_image(Observed& observed, kubernetes::ApiClient& client, const Askers& askers, WallTime now,
                        std::stop_token stop) {
  const CredentialAssessment credential = assess_credential(observed, now);
  const bool asks = observed.classifier.spec.image_check.mode != api::ImageCheck::Mode::kOff;
  const ImageChecker* images = askers.images;
  observed.image.asks_nobody = images == nullptr;
  observed.image.allowed = asks && (images == nullptr || images->may_ask(credential.server));
  if (observed.image.allowed) {
    if (auto read = read_ca_bundle(observed, client, stop); !read) return read;
  }
  const runtime::ObjectKey key{observed.classifier.metadata.namespace_name, observed.classifier.metadata.name};
  observed.image.question = image_question(observed, credential);
  if (observed.image.question && images != nullptr) {
    observed.image.answer = images->answer(key, *observed.image.question);
  }
  if (askers.nodes != nullptr) observed.image.architectures = askers.nodes->answer(key, observed.classifier.spec);
  observed.classifier.pinned_image = assess_image(observed, credential).pinned;
  return {};
}

template <typename T>
std::shared_ptr<const T> cached(const Store<T>& store, const runtime::ObjectKey& key) {
  const auto record = store.get(key);
  return record ? std::make_shared<const T>(record->object()) : nullptr;
}

template <typename T>
std::vector<std::shared_ptr<const T>> owned_by(const Store<T>& store, const std::string& uid) {
  std::vector<std::shared_ptr<const T>> objects;
  for (const auto& record : store.owned_by(uid)) objects.push_back(std::make_shared<const T>(record->object()));
  return objects;
}

}  // namespace

ObservedSecret parse_secret(const std::string& body) {
  const nlohmann::json object = api::parse_or_null(body);
  ObservedSecret secret;
  secret.metadata = api::decode_object_meta(find_member(body, "metadata").value_or(""));
  secret.type = api::text_of(object, "type");
  for (auto& [key, value] : api::text_map_of(object, "data")) secret.data.emplace(key, Secret(value));
  const nlohmann::json& metadata = api::member(object, "metadata");
  const nlohmann::json owned = {{"type", secret.type},
                                {"data", api::member(object, "data")},
                                {"metadata",
                                 {{"labels", api::member(metadata, "labels")},
                                  {"annotations", api::member(metadata, "annotations")},
                                  {"ownerReferences", api::member(metadata, "ownerReferences")}}}};
  secret.owned = Secret(owned.dump());
  return secret;
}

Result<std::optional<Observed>> observe(const runtime::ObjectKey& key, const Stores& stores,
                                        kubernetes::ApiClient& client, const Askers& askers, bool live, WallTime now,
                                        std::stop_token stop) {
  const kubernetes::ObjectName name{key.namespace_name, key.name};
  Observed observed;
  observed.serves_monitors = stores.serves_monitors && stores.serves_monitors();
  std::shared_ptr<const api::ImageClassifier> classifier;
  if (live) {
    if (auto read = read_live(classifier, client, image_classifiers(), name, &api::decode_image_classifier, stop);
        !read) {
      return fail(read.error());
    }
    if (!classifier) return std::nullopt;
    if (auto read = read_live_children(observed, stores, client, name, stop); !read) return fail(read.error());
  } else if (const auto record = stores.classifiers.get(key)) {
    Result<api::ImageClassifier> unpacked = api::unpack(record->object());
    if (!unpacked) return fail(unpacked.error());
    classifier = std::make_shared<const api::ImageClassifier>(std::move(*unpacked));
    observed.deployment = cached(stores.deployments, key);
    observed.service = cached(stores.services, key);
    for (const auto& [kind, store] : stores.optional_children) {
      if (auto child = cached(*store, key)) observed.optional_children.emplace(kind, std::move(child));
    }
  }
  if (!classifier) return std::nullopt;
  observed.classifier = *classifier;
  observed.revisions = owned_by(stores.revisions, classifier->metadata.uid);
  if (live) {
    if (auto read = read_live_revision(observed, client, stop); !read) return fail(read.error());
  }
  if (auto read = read_secrets(observed, client, stop); !read) return fail(read.error());
  if (auto read = read_account(observed, client, stop); !read) return fail(read.error());
  if (askers.mint_desk != nullptr) observed.minting = askers.mint_desk->look(key, observed);
  if (auto read = read_image(observed, client, askers, now, stop); !read) return fail(read.error());
  if (auto read = read_templates(observed, client, stop); !read) return fail(read.error());
  if (auto read = read_access_secret(observed, client, stop); !read) return fail(read.error());
  if (observed.deployment) {
    observed.replica_sets = owned_by(stores.replica_sets, observed.deployment->metadata.uid);
    for (const auto& replica_set : observed.replica_sets) {
      for (auto& pod : owned_by(stores.pods, replica_set->metadata.uid)) observed.pods.push_back(std::move(pod));
    }
    if (auto read = read_named_pull_secrets(observed, client, stop); !read) return fail(read.error());
  }
  if (auto read = read_references(observed, client, stop); !read) return fail(read.error());
  if (observed.service && observed.service->ingress.empty()) {
    // An Event belongs to what it speaks of, as a child to its owner: see api::Event.
    observed.service_events = owned_by(stores.events, observed.service->metadata.uid);
  }
  observed.endpoint = askers.prober.state(key);
  return observed;
}

}  // namespace imageclassifier::reconciler
