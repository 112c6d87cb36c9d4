#include <nlohmann/json.hpp>

#include "operator/resources/builders.hpp"

namespace imageclassifier::resources {

Manifest build_service_monitor(const api::ImageClassifier& classifier, const api::ServiceSpec& service) {
  nlohmann::json object = child_skeleton(classifier, Kind::kServiceMonitor, classifier.metadata.name);
  for (const auto& [key, value] : classifier.spec.monitoring.labels) object["metadata"]["labels"].emplace(key, value);
  nlohmann::json endpoint = {{"port", port_name(service)}, {"scheme", port_name(service)}, {"path", "/metrics"}};
  // Pods are asked at their addresses, which no certificate names.
  if (api::serves_tls(service)) endpoint["tlsConfig"] = {{"insecureSkipVerify", true}};
  object["spec"] = {{"selector", {{"matchLabels", selector_labels(classifier)}}}, {"endpoints", {std::move(endpoint)}}};
  return finish(Kind::kServiceMonitor, std::move(object));
}

}  // namespace imageclassifier::resources
