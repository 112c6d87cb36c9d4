#include <nlohmann/json.hpp>

#include "operator/resources/builders.hpp"

namespace imageclassifier::resources {

Manifest build_service_monitor(const api::ImageClassifier& classifier) {
  nlohmann::json object = child_skeleton(classifier, Kind::kServiceMonitor, classifier.metadata.name);
  for (const auto& [key, value] : classifier.spec.monitoring.labels) object["metadata"]["labels"].emplace(key, value);
  const bool tls = !classifier.spec.service.tls_secret_name.empty();
  nlohmann::json endpoint = {
      {"port", tls ? "https" : "http"}, {"scheme", tls ? "https" : "http"}, {"path", "/metrics"}};
  // Pods are asked at their addresses, which no certificate names.
  if (tls) endpoint["tlsConfig"] = {{"insecureSkipVerify", true}};
  object["spec"] = {{"selector", {{"matchLabels", selector_labels(classifier)}}}, {"endpoints", {std::move(endpoint)}}};
  return finish(Kind::kServiceMonitor, std::move(object));
}

}  // namespace imageclassifier::resources
