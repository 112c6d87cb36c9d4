#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/result.hpp"

namespace imageclassifier::api {

// The specification of an ImageClassifier, in the shape of crds/imageclassifiers.yaml. Defaults here repeat the
// schema's, for resources that never went through an API server (`render -f`). Members called `..._json` hold a part
// that is passed on to a child as it is: JSON text, empty if it was left out.

struct ServingSpec {
  std::int64_t top_k = 5;
  std::int64_t max_upload_bytes = 10 * 1024 * 1024;
  std::int64_t max_image_pixels = 50'000'000;
  std::int64_t request_timeout_seconds = 10;
  std::int64_t queue_depth = 64;
  bool upload_page = true;
};

/// The node pulls with its own identity; also what holds without spec.registry.auth.
struct NodeIdentity {};
struct ExistingSecret {
  std::string name;
};
struct BasicCredential {
  std::string secret_name;
  std::string username_key = "username";
  std::string password_key = "password";
};
/// An application of Entra's that shows its secret.
struct ServicePrincipal {
  std::string tenant_id;
  std::string client_id;
  std::string secret_name;
  std::string secret_key;
};
/// One that trusts a ServiceAccount of the cluster.
struct WorkloadIdentity {
  std::string service_account_name;
  std::string client_id;  ///< empty: as the account's annotation says
  std::string tenant_id;  ///< likewise
};
/// One of the machines that the operator runs on; neither ID: the only one that its configuration lists.
struct ManagedIdentity {
  std::string client_id;
  std::string resource_id;
};
using RegistryAuth =
    std::variant<NodeIdentity, ExistingSecret, BasicCredential, ServicePrincipal, WorkloadIdentity, ManagedIdentity>;

/// Whether the operator is to mint the credential, and to mint it anew before it ends.
bool is_minted(const RegistryAuth& auth) noexcept;
/// Whether the operator makes a Secret for the pull.
bool makes_pull_secret(const RegistryAuth& auth) noexcept;

struct MintingSpec {
  std::string cloud = "Public";
  bool whole_registry = false;  ///< tokenScope Registry
};

/// One key of a ConfigMap in the same namespace.
struct ConfigMapKey {
  std::string name;
  std::string key;
};

/// How the image is looked up in its registry before a node pulls it.
struct ImageCheck {
  enum class Mode {
    kOff,
    kWarn,    ///< what is wrong is told
    kEnforce  ///< and no pod is started with it
  };
  Mode mode = Mode::kWarn;
  bool pin = true;                                  ///< pods run the digest that the tag stood for first
  std::optional<std::chrono::seconds> tag_refresh;  ///< how often the pods follow a tag that has moved; nothing: never
  std::optional<ConfigMapKey> ca_bundle;            ///< trusted beside the system's authorities
};

struct ImageFile {
  std::string path;
};
struct ModelUrl {
  std::string url;  ///< https; spec.model.sha256 is set
  std::optional<ConfigMapKey> ca_bundle;
};
struct VolumeFile {
  std::string claim_name;
  std::string path;  ///< from the root of the volume, begins with '/'
};
/// Without a member: the container image's own model.
using ModelSource = std::variant<std::monostate, ImageFile, ModelUrl, VolumeFile>;

struct ModelSpec {
  std::string architecture;  ///< empty: whatever the file holds
  ModelSource source;
  std::string sha256;  ///< empty: not checked
  std::optional<ConfigMapKey> labels;
  std::string precision = "auto";
  std::string preprocessing = "auto";
};

/// Who may call: everybody, or who has the user name and the password.
struct AuthenticationSpec {
  bool basic = false;
  std::string secret_name;  ///< empty: the operator makes a Secret
};

struct ServiceSpec {
  std::string type = "LoadBalancer";
  std::optional<std::int64_t> port;  ///< left out: see port_of
  std::string scope = "Internal";
  std::vector<std::string> source_ranges;
  std::string dns_label;       ///< on Azure
  std::string public_ip_name;  ///< on Azure
  std::string load_balancer_class;
  std::map<std::string, std::string> annotations;
  std::string external_traffic_policy = "Cluster";
  AuthenticationSpec authentication;
  std::string tls_secret_name;  ///< of type kubernetes.io/tls; empty: plain HTTP
};

bool serves_tls(const ServiceSpec& service) noexcept;
/// Of the Service: unless said, 443 with a certificate and 80 without.
std::int64_t port_of(const ServiceSpec& service) noexcept;

/// The picture is a key of a ConfigMap, else a file of the image.
struct SelfTestSpec {
  std::optional<ConfigMapKey> picture;
  std::string picture_path;
  std::string expected_label;
  std::string minimum_score = "0.5";
};

struct AutoscalingSpec {
  std::int64_t min_replicas = 1;
  std::int64_t max_replicas = 1;
  std::int64_t target_cpu_percentage = 70;
  std::optional<std::int64_t> scale_down_stabilization_seconds;
};

struct ScheduleWindow {
  unsigned days = 0;              ///< bit 0 is Monday, bit 6 Sunday
  std::int64_t start_minute = 0;  ///< of the day
  std::int64_t end_minute = 0;    ///< of the day, up to 1440 (24:00); not after start_minute: of the next day
  std::optional<std::int64_t> replicas;
};

struct ScheduleSpec {
  std::string time_zone;
  std::vector<ScheduleWindow> windows;
};

struct RolloutSpec {
  std::string strategy = "RollingUpdate";
  std::string max_surge_json = "1";        ///< a number, or a percentage as JSON text
  std::string max_unavailable_json = "0";  ///< likewise
  std::int64_t progress_deadline_seconds = 300;
  bool auto_rollback = true;
  std::int64_t revision_history_limit = 5;
};

struct AvailabilitySpec {
  std::string min_available_json;    ///< a number, or a percentage as JSON text; empty: left out
  std::string max_unavailable_json;  ///< likewise
  std::string spread = "None";       ///< Zone, Node or None
};

struct NetworkPolicySpec {
  bool enabled = true;
  std::string allow_from_json;  ///< list of NetworkPolicyPeer
};

/// Whether a ServiceMonitor has Prometheus ask the pods for their metrics.
struct MonitoringSpec {
  static constexpr const char* kAuto = "Auto";  ///< where the cluster knows ServiceMonitors
  static constexpr const char* kEnabled = "Enabled";
  static constexpr const char* kDisabled = "Disabled";
  std::string service_monitor = kAuto;
  std::map<std::string, std::string> labels;
};

struct PodSpec {
  std::map<std::string, std::string> node_selector;
  std::string tolerations_json;
  std::string affinity_json;
  std::string topology_spread_constraints_json;
  std::string env_json;
  std::string service_account_name;
  std::vector<std::string> image_pull_secrets;
  std::string priority_class_name;
  std::string runtime_class_name;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  std::int64_t termination_grace_period_seconds = 45;
};

/// Quantities by resource name, in the form that the user wrote.
struct ResourceRequirements {
  std::map<std::string, std::string> requests;
  std::map<std::string, std::string> limits;
};

struct Spec {
  std::string image;
  std::int64_t replicas = 1;
  bool suspend = false;
  ModelSpec model;
  ServingSpec serving;
  RegistryAuth auth;
  MintingSpec minting;
  ImageCheck image_check;
  ServiceSpec service;
  std::optional<SelfTestSpec> self_test;
  std::optional<AutoscalingSpec> autoscaling;
  std::optional<ScheduleSpec> schedule;
  RolloutSpec rollout;
  AvailabilitySpec availability;
  NetworkPolicySpec network_policy;
  MonitoringSpec monitoring;
  ResourceRequirements resources{{{"cpu", "1"}, {"memory", "1Gi"}}, {{"memory", "2Gi"}}};
  PodSpec pod;
};

/// Members of a wrong type read as their default; only a missing image is an error (kInvalidArgument).
Result<Spec> parse_specification(const nlohmann::json& spec);

}  // namespace imageclassifier::api
