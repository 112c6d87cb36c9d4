#include "operator/api/specification.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"
#include "operator/api/quantity.hpp"

namespace imageclassifier::api {
namespace {

ServingSpec parse_serving(const nlohmann::json& source) {
  ServingSpec serving;
  serving.top_k = integer_of(source, "topK", serving.top_k);
  if (const auto bytes = parse_quantity(scalar_text(member(source, "maxUploadBytes"))); bytes && *bytes >= 1.0) {
    serving.max_upload_bytes = static_cast<std::int64_t>(std::min(std::ceil(*bytes), 9.0e15));
  }
  serving.max_image_pixels = integer_of(source, "maxImagePixels", serving.max_image_pixels);
  serving.request_timeout_seconds = integer_of(source, "requestTimeoutSeconds", serving.request_timeout_seconds);
  serving.queue_depth = integer_of(source, "queueDepth", serving.queue_depth);
  serving.upload_page = boolean_of(source, "uploadPage", serving.upload_page);
  return serving;
}

std::string text_or(const nlohmann::json& source, std::string_view key, std::string otherwise) {
  std::string text = text_of(source, key);
  return text.empty() ? otherwise : text;
}

RegistryAuth parse_auth(const nlohmann::json& source) {
  if (const nlohmann::json& existing = member(source, "existingSecret"); existing.is_object()) {
    return ExistingSecret{text_of(existing, "name")};
  }
  if (const nlohmann::json& basic = member(source, "basic"); basic.is_object()) {
    return BasicCredential{text_of(basic, "secretName"), text_or(basic, "usernameKey", "username"),
                           text_or(basic, "passwordKey", "password")};
  }
  if (const nlohmann::json& principal = member(source, "servicePrincipal"); principal.is_object()) {
    const nlohmann::json& secret = member(principal, "clientSecret");
    return ServicePrincipal{text_of(principal, "tenantID"), text_of(principal, "clientID"), text_of(secret, "name"),
                            text_of(secret, "key")};
  }
  if (const nlohmann::json& workload = member(source, "workloadIdentity"); workload.is_object()) {
    return WorkloadIdentity{text_of(workload, "serviceAccountName"), text_of(workload, "clientID"),
                            text_of(workload, "tenantID")};
  }
  if (const nlohmann::json& managed = member(source, "managedIdentity"); managed.is_object()) {
    return ManagedIdentity{text_of(managed, "clientID"), text_of(managed, "resourceID")};
  }
  return NodeIdentity{};
}

std::optional<ConfigMapKey> parse_config_map_key(const nlohmann::json& source) {
  const nlohmann::json& reference = member(source, "configMapKeyRef");
  if (!reference.is_object()) return std::nullopt;
  return ConfigMapKey{text_of(reference, "name"), text_of(reference, "key")};
}

/// "1h30m"; nothing for "Never" and all else.
std::optional<std::chrono::seconds> parse_interval(std::string_view text) {
  std::chrono::seconds total{};
  while (!text.empty()) {
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    constexpr std::int64_t kMost = 999'999;
    if (error != std::errc() || text.empty() || count < 0 || count > kMost) return std::nullopt;
    switch (text.front()) {
      case 'h':
        total += std::chrono::hours(count);
        break;
      case 'm':
        total += std::chrono::minutes(count);
        break;
      case 's':
        total += std::chrono::seconds(count);
        break;
      default:
        return std::nullopt;
    }
    text.remove_prefix(1);
  }
  if (total == std::chrono::seconds::zero()) return std::nullopt;
  return total;
}

ImageCheck parse_image_check(const nlohmann::json& registry) {
  ImageCheck check;
  const std::string mode = text_of(registry, "preflight");
  check.mode = mode == "Off"       ? ImageCheck::Mode::kOff
               : mode == "Enforce" ? ImageCheck::Mode::kEnforce
                                   : ImageCheck::Mode::kWarn;
  check.pin = text_of(registry, "pin") != "None";
  check.tag_refresh = parse_interval(text_of(registry, "tagRefresh"));
  check.ca_bundle = parse_config_map_key(member(registry, "caBundle"));
  return check;
}

ModelSource parse_model_source(const nlohmann::json& source) {
  if (const nlohmann::json& image = member(source, "image"); image.is_object()) {
    return ImageFile{text_of(image, "path")};
  }
  if (const nlohmann::json& url = member(source, "url"); url.is_object()) {
    return ModelUrl{text_of(url, "url"), parse_config_map_key(member(url, "caBundle"))};
  }
  if (const nlohmann::json& claim = member(source, "persistentVolumeClaim"); claim.is_object()) {
    return VolumeFile{text_of(claim, "claimName"), text_of(claim, "path")};
  }
  return {};
}

ModelSpec parse_model(const nlohmann::json& source) {
  return {text_of(source, "architecture"),
          parse_model_source(member(source, "source")),
          text_of(source, "sha256"),
          parse_config_map_key(member(source, "labels")),
          text_or(source, "precision", "auto"),
          text_or(source, "preprocessing", "auto")};
}

ServiceSpec parse_service(const nlohmann::json& source) {
  ServiceSpec service;
  service.type = text_or(source, "type", service.type);
  service.tls_secret_name = text_of(member(source, "tls"), "secretName");
  service.port = optional_integer_of(source, "port");
  const nlohmann::json& authentication = member(source, "authentication");
  service.authentication = {text_of(authentication, "type") == "Basic", text_of(authentication, "secretName")};
  service.scope = text_or(source, "scope", service.scope);
  service.source_ranges = text_list_of(source, "sourceRanges");
  service.dns_label = text_of(source, "dnsLabel");
  service.public_ip_name = text_of(source, "publicIPName");
  service.load_balancer_class = text_of(source, "loadBalancerClass");
  service.annotations = text_map_of(source, "annotations");
  service.external_traffic_policy = text_or(source, "externalTrafficPolicy", service.external_traffic_policy);
  return service;
}

SelfTestSpec parse_self_test(const nlohmann::json& source) {
  const nlohmann::json& picture = member(source, "image");
  return {parse_config_map_key(picture), text_of(picture, "path"), text_of(source, "expectedLabel"),
          text_or(source, "minimumScore", "0.5")};
}

std::map<std::string, std::string> parse_quantities(const nlohmann::json& source) {
  std::map<std::string, std::string> result;
  if (!source.is_object()) return result;
  for (const auto& [name, value] : source.items()) result.emplace(name, scalar_text(value));
  return result;
}

/// A part that is passed on as it is.
std::string json_of(const nlohmann::json& source, std::string_view key) {
  const nlohmann::json& part = member(source, key);
  return part.is_null() ? std::string() : part.dump();
}

std::string json_or(const nlohmann::json& source, std::string_view key, std::string otherwise) {
  std::string part = json_of(source, key);
  return part.empty() ? otherwise : part;
}

AutoscalingSpec parse_autoscaling(const nlohmann::json& source) {
  AutoscalingSpec autoscaling;
  autoscaling.min_replicas = integer_of(source, "minReplicas", autoscaling.min_replicas);
  autoscaling.max_replicas = integer_of(source, "maxReplicas", autoscaling.max_replicas);
  autoscaling.target_cpu_percentage =
      integer_of(source, "targetCPUUtilizationPercentage", autoscaling.target_cpu_percentage);
  autoscaling.scale_down_stabilization_seconds = optional_integer_of(source, "scaleDownStabilizationSeconds");
  return autoscaling;
}

/// "08:30"; midnight for what is no time of day.
std::int64_t minute_of_day(const std::string& text) {
  int hours = 0, minutes = 0;
  if (std::sscanf(text.c_str(), "%2d:%2d", &hours, &minutes) != 2) return 0;
  return std::clamp(hours * 60 + minutes, 0, 24 * 60);
}

ScheduleSpec parse_schedule(const nlohmann::json& source) {
  constexpr std::array<std::string_view, 7> kDays = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
  ScheduleSpec schedule;
  schedule.time_zone = text_of(source, "timeZone");
  for (const auto& entry : member(source, "windows")) {
    ScheduleWindow window;
    for (const std::string& day : text_list_of(entry, "days")) {
      const auto found = std::find(kDays.begin(), kDays.end(), day);
      if (found != kDays.end()) window.days |= 1U << (found - kDays.begin());
    }
    window.start_minute = minute_of_day(text_of(entry, "start"));
    window.end_minute = minute_of_day(text_of(entry, "end"));
    window.replicas = optional_integer_of(entry, "replicas");
    schedule.windows.push_back(window);
  }
  return schedule;
}

RolloutSpec parse_rollout(const nlohmann::json& source) {
  RolloutSpec rollout;
  rollout.strategy = text_or(source, "strategy", rollout.strategy);
  rollout.max_surge_json = json_or(source, "maxSurge", rollout.max_surge_json);
  rollout.max_unavailable_json = json_or(source, "maxUnavailable", rollout.max_unavailable_json);
  rollout.progress_deadline_seconds = integer_of(source, "progressDeadlineSeconds", rollout.progress_deadline_seconds);
  rollout.auto_rollback = boolean_of(source, "autoRollback", rollout.auto_rollback);
  rollout.revision_history_limit = integer_of(source, "revisionHistoryLimit", rollout.revision_history_limit);
  return rollout;
}

AvailabilitySpec parse_availability(const nlohmann::json& source) {
  return {json_of(source, "minAvailable"), json_of(source, "maxUnavailable"), text_or(source, "spread", "None")};
}

PodSpec parse_pod(const nlohmann::json& source) {
  PodSpec pod;
  pod.node_selector = text_map_of(source, "nodeSelector");
  pod.tolerations_json = json_of(source, "tolerations");
  pod.affinity_json = json_of(source, "affinity");
  pod.topology_spread_constraints_json = json_of(source, "topologySpreadConstraints");
  pod.env_json = json_of(source, "env");
  pod.service_account_name = text_of(source, "serviceAccountName");
  for (const auto& entry : member(source, "imagePullSecrets")) pod.image_pull_secrets.push_back(text_of(entry, "name"));
  pod.priority_class_name = text_of(source, "priorityClassName");
  pod.runtime_class_name = text_of(source, "runtimeClassName");
  pod.labels = text_map_of(source, "labels");
  pod.annotations = text_map_of(source, "annotations");
  pod.termination_grace_period_seconds =
      integer_of(source, "terminationGracePeriodSeconds", pod.termination_grace_period_seconds);
  return pod;
}

}  // namespace

bool is_minted(const RegistryAuth& auth) noexcept {
  return std::holds_alternative<ServicePrincipal>(auth) || std::holds_alternative<WorkloadIdentity>(auth) ||
         std::holds_alternative<ManagedIdentity>(auth);
}

bool makes_pull_secret(const RegistryAuth& auth) noexcept {
  return is_minted(auth) || std::holds_alternative<BasicCredential>(auth);
}

bool serves_tls(const ServiceSpec& service) noexcept {
  return !service.tls_secret_name.empty();
}

std::int64_t port_of(const ServiceSpec& service) noexcept {
  return service.port.value_or(serves_tls(service) ? 443 : 80);
}

Result<Spec> parse_specification(const nlohmann::json& source) {
  Spec spec;
  spec.image = text_of(source, "image");
  if (spec.image.empty()) return fail(ErrorCode::kInvalidArgument, "it has no spec.image.");
  spec.replicas = integer_of(source, "replicas", spec.replicas);
  spec.suspend = boolean_of(source, "suspend", spec.suspend);
  spec.model = parse_model(member(source, "model"));
  spec.serving = parse_serving(member(source, "serving"));
  const nlohmann::json& registry = member(source, "registry");
  spec.auth = parse_auth(member(registry, "auth"));
  spec.minting = {text_or(registry, "cloud", spec.minting.cloud), text_of(registry, "tokenScope") == "Registry"};
  spec.image_check = parse_image_check(registry);
  spec.service = parse_service(member(source, "service"));
  if (const nlohmann::json& self_test = member(source, "selfTest"); self_test.is_object()) {
    spec.self_test = parse_self_test(self_test);
  }
  if (const nlohmann::json& autoscaling = member(source, "autoscaling"); autoscaling.is_object()) {
    spec.autoscaling = parse_autoscaling(autoscaling);
  }
  if (const nlohmann::json& schedule = member(source, "schedule"); schedule.is_object()) {
    spec.schedule = parse_schedule(schedule);
  }
  spec.rollout = parse_rollout(member(source, "rollout"));
  spec.availability = parse_availability(member(source, "availability"));
  const nlohmann::json& network_policy = member(source, "networkPolicy");
  spec.network_policy = {boolean_of(network_policy, "enabled", true), json_of(network_policy, "allowFrom")};
  const nlohmann::json& monitoring = member(source, "monitoring");
  spec.monitoring = {text_or(monitoring, "serviceMonitor", spec.monitoring.service_monitor),
                     text_map_of(monitoring, "labels")};
  if (const nlohmann::json& resources = member(source, "resources"); resources.is_object()) {
    spec.resources = {parse_quantities(member(resources, "requests")), parse_quantities(member(resources, "limits"))};
  }
  spec.pod = parse_pod(member(source, "pod"));
  return spec;
}

}  // namespace imageclassifier::api
