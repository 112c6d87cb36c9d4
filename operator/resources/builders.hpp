#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/secret.hpp"
#include "operator/api/image_classifier.hpp"
#include "operator/resources/exposure.hpp"
#include "operator/resources/manifest.hpp"
#include "operator/resources/revision.hpp"
#include "operator/resources/scale.hpp"

namespace imageclassifier::resources {

// Pure builders of the child objects. Without a uid (a resource that never was in a cluster) the objects carry no owner
// reference.

inline constexpr const char* kManagedByLabel = "app.kubernetes.io/managed-by";
inline constexpr const char* kManagedBy = "imageclassifier-operator";
inline constexpr const char* kInstanceLabel = "app.kubernetes.io/instance";
/// On a Service of which Azure is asked for an address of the private network.
inline constexpr const char* kInternalAnnotation = "service.beta.kubernetes.io/azure-load-balancer-internal";
inline constexpr const char* kContainerName = "server";
inline constexpr int kContainerPort = 8080;

/// Name of the Secret that we make for the pull: "<name>-acr-pull".
std::string pull_secret_name(const api::ImageClassifier& classifier);
/// The Secret that the pods name in imagePullSecrets: ours, the user's, or none (empty).
std::string wanted_pull_secret(const api::ImageClassifier& classifier);
/// Name of the Secret that we make for the callers: "<name>-access".
std::string access_secret_name(const api::ImageClassifier& classifier);
/// Whether callers need a password that the operator is to draw.
bool makes_access_secret(const api::Spec& spec);
/// The Secret with the callers' user name and password: ours, the user's, or none (empty).
std::string wanted_access_secret(const api::ImageClassifier& classifier);
/// "app.kubernetes.io/instance=x,app.kubernetes.io/name=imageclassifier": immutable in a Deployment.
std::map<std::string, std::string> selector_labels(const api::ImageClassifier& classifier);
std::string selector_text(const api::ImageClassifier& classifier);

/// What the containers run: spec.image, or the digest that it is pinned to.
std::string image_to_run(const api::ImageClassifier& classifier);
/// A Secret of type kubernetes.io/dockerconfigjson; `docker_config` is its content in base64. The body holds the
/// credential: never log it.
Manifest build_pull_secret(const api::ImageClassifier& classifier, const Secret& docker_config,
                           const std::map<std::string, std::string>& annotations = {});
/// A Secret of type kubernetes.io/basic-auth; both values in base64. As above.
Manifest build_access_secret(const api::ImageClassifier& classifier, const Secret& username, const Secret& password);
/// Runs the pods of `revision`. Without `replicas` the field is left to somebody else: an autoscaler. Without `surge`
/// no pod more than these is made meanwhile, and one of them may be missing, whatever the specification says.
Manifest build_deployment(const api::ImageClassifier& classifier, std::optional<std::int64_t> replicas,
                          const PodRevision& revision, bool surge = true);
/// Nothing of the Deployment but its number of replicas.
Manifest replicas_only(const api::ImageClassifier& classifier, std::int64_t replicas);
/// spec.template of the Deployment.
nlohmann::json pod_template(const api::ImageClassifier& classifier);
/// "https" or "http": the name of the server's port, in the pods and in the Service, and the scheme that it speaks. A
/// Service so leads to no pod that speaks the other one.
const char* port_name(const api::ServiceSpec& service) noexcept;
/// `service`: spec.service, or what of it holds for now.
Manifest build_service(const api::ImageClassifier& classifier, const api::ServiceSpec& service);
/// Keys of the user's annotations that the Service gets with a value of ours instead.
std::vector<std::string> overruled_annotations(const api::ServiceSpec& service);
/// Opens the server's port to spec.networkPolicy.allowFrom and to the operator, or to everybody if nobody is named;
/// closes everything outward but DNS and the port of the model's URL, and those of `other_model_ports`, from which pods
/// of other revisions download theirs. The policy names no port of the node's probes: kubelets are always let in.
/// `policy`: spec.networkPolicy, or what of it holds for now.
Manifest build_network_policy(const api::ImageClassifier& classifier, const api::NetworkPolicySpec& policy,
                              std::set<int> other_model_ports = {});
/// The peer that every policy lets in beside those of the specification: the operator, wherever it runs.
nlohmann::json operator_peer();
Manifest build_horizontal_pod_autoscaler(const api::ImageClassifier& classifier);
Manifest build_pod_disruption_budget(const api::ImageClassifier& classifier);
/// Whether that budget, of at least two pods, never lets one of them be evicted: drains of nodes would not end.
bool forbids_eviction(const api::Spec& spec);
/// Has Prometheus ask every pod of the Service for /metrics, which needs no password.
Manifest build_service_monitor(const api::ImageClassifier& classifier, const api::ServiceSpec& service);

/// A child that exists only while the specification asks for it.
struct OptionalChild {
  Kind kind = Kind::kNetworkPolicy;
  std::optional<Manifest> wanted;  ///< nothing: what there is of it goes
};
/// One for each of kOptionalKinds, in their order; `exposure` as for build_service and build_network_policy,
/// `other_model_ports` as for the latter.
std::vector<OptionalChild> optional_children(const api::ImageClassifier& classifier, const Exposure& exposure,
                                             const Scale& scale, std::set<int> other_model_ports = {});
/// All children but the Secret, whose content is not in the specification, and the ControllerRevision, which repeats
/// the Deployment's pod template; in the order of Kind. What they are while a window of the schedule is open, if there
/// is one, and in a cluster of which nothing is known: a ServiceMonitor only if it is asked for.
std::vector<Manifest> desired_state(const api::ImageClassifier& classifier);

/// A member of the pod's environment as the Deployment spells it: `value`, or `resource` by the downward API.
struct EnvironmentVariable {
  std::string name;
  std::string value;
  std::string resource;
};
/// The contract with the inference server: which field of the specification becomes which variable.
std::vector<EnvironmentVariable> server_environment(const api::Spec& spec);

/// apiVersion, kind, name, namespace, labels, owner reference: what every child begins with.
nlohmann::json child_skeleton(const api::ImageClassifier& classifier, Kind kind, const std::string& name);
/// Computes the hash, stores it in the annotation, and serialises.
Manifest finish(Kind kind, nlohmann::json object);

}  // namespace imageclassifier::resources
