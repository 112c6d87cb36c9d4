#include <nlohmann/json.hpp>

#include "operator/resources/builders.hpp"

namespace imageclassifier::resources {
namespace {

const char* scheme(const api::ServiceSpec& service) {
  return service.tls_secret_name.empty() ? "http" : "https";
}

/// What clouds need to be told, in their own words. The Azure probe is explicit because its default would ask "/".
void add_load_balancer_annotations(nlohmann::json& annotations, const api::ServiceSpec& service) {
  annotations["service.beta.kubernetes.io/azure-load-balancer-health-probe-protocol"] = scheme(service);
  annotations["service.beta.kubernetes.io/azure-load-balancer-health-probe-request-path"] = "/readyz";
  if (!service.dns_label.empty()) annotations["service.beta.kubernetes.io/azure-dns-label-name"] = service.dns_label;
  if (!service.public_ip_name.empty()) {
    annotations["service.beta.kubernetes.io/azure-pip-name"] = service.public_ip_name;
  }
  if (service.scope == "Internal") {
    annotations["service.beta.kubernetes.io/azure-load-balancer-internal"] = "true";
    annotations["networking.gke.io/load-balancer-type"] = "Internal";
    annotations["service.beta.kubernetes.io/aws-load-balancer-internal"] = "true";
    annotations["service.beta.kubernetes.io/aws-load-balancer-scheme"] = "internal";
  } else {
    annotations["service.beta.kubernetes.io/aws-load-balancer-scheme"] = "internet-facing";
  }
}

}  // namespace

Manifest build_service(const api::ImageClassifier& classifier) {
  const api::ServiceSpec& service = classifier.spec.service;
  const bool balanced = service.type == "LoadBalancer";
  nlohmann::json object = child_skeleton(classifier, Kind::kService, classifier.metadata.name);
  nlohmann::json annotations = service.annotations;
  if (annotations.is_null()) annotations = nlohmann::json::object();
  if (balanced) add_load_balancer_annotations(annotations, service);
  object["metadata"]["annotations"] = std::move(annotations);
  nlohmann::json spec = {
      {"type", service.type},
      {"selector", selector_labels(classifier)},
      {"ports", {{{"name", scheme(service)}, {"port", service.port}, {"targetPort", "http"}, {"protocol", "TCP"}}}}};
  if (balanced) {
    spec["externalTrafficPolicy"] = service.external_traffic_policy;
    if (!service.load_balancer_class.empty()) spec["loadBalancerClass"] = service.load_balancer_class;
    if (!service.source_ranges.empty()) spec["loadBalancerSourceRanges"] = service.source_ranges;
  }
  object["spec"] = std::move(spec);
  return finish(Kind::kService, std::move(object));
}

}  // namespace imageclassifier::resources
