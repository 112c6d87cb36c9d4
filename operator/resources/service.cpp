#include <nlohmann/json.hpp>

#include "operator/api/json_access.hpp"
#include "operator/resources/builders.hpp"

namespace imageclassifier::resources {
namespace {

/// What clouds need to be told, in their own words. The Azure probe is explicit because its default would ask "/".
void add_load_balancer_annotations(nlohmann::json& annotations, const api::ServiceSpec& service) {
  annotations["service.beta.kubernetes.io/azure-load-balancer-health-probe-protocol"] = port_name(service);
  annotations["service.beta.kubernetes.io/azure-load-balancer-health-probe-request-path"] = "/readyz";
  if (!service.dns_label.empty()) annotations["service.beta.kubernetes.io/azure-dns-label-name"] = service.dns_label;
  if (!service.public_ip_name.empty()) {
    annotations["service.beta.kubernetes.io/azure-pip-name"] = service.public_ip_name;
  }
  if (service.scope == "Internal") {
    annotations[kInternalAnnotation] = "true";
    annotations["networking.gke.io/load-balancer-type"] = "Internal";
    annotations["service.beta.kubernetes.io/aws-load-balancer-internal"] = "true";
    annotations["service.beta.kubernetes.io/aws-load-balancer-scheme"] = "internal";
  } else {
    annotations["service.beta.kubernetes.io/aws-load-balancer-scheme"] = "internet-facing";
  }
}

}  // namespace

const char* port_name(const api::ServiceSpec& service) noexcept {
  return api::serves_tls(service) ? "https" : "http";
}

std::vector<std::string> overruled_annotations(const api::ServiceSpec& service) {
  if (service.type != "LoadBalancer") return {};
  nlohmann::json ours = nlohmann::json::object();
  add_load_balancer_annotations(ours, service);
  std::vector<std::string> keys;
  for (const auto& [key, value] : service.annotations) {
    if (ours.contains(key) && ours[key] != value) keys.push_back(key);
  }
  return keys;
}

Manifest build_service(const api::ImageClassifier& classifier, const api::ServiceSpec& service) {
  const bool balanced = service.type == "LoadBalancer";
  nlohmann::json object = child_skeleton(classifier, Kind::kService, classifier.metadata.name);
  nlohmann::json annotations = service.annotations;
  if (annotations.is_null()) annotations = nlohmann::json::object();
  if (balanced) add_load_balancer_annotations(annotations, service);
  object["metadata"]["annotations"] = std::move(annotations);
  nlohmann::json spec = {{"type", service.type},
                         {"selector", selector_labels(classifier)},
                         {"ports",
                          {{{"name", port_name(service)},
                            {"port", api::port_of(service)},
                            {"targetPort", port_name(service)},
                            {"protocol", "TCP"}}}}};
  if (balanced) {
    spec["externalTrafficPolicy"] = service.external_traffic_policy;
    if (!service.load_balancer_class.empty()) spec["loadBalancerClass"] = service.load_balancer_class;
    if (!service.source_ranges.empty()) spec["loadBalancerSourceRanges"] = service.source_ranges;
  }
  object["spec"] = std::move(spec);
  return finish(Kind::kService, std::move(object));
}

}  // namespace imageclassifier::resources
