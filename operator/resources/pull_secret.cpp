#include <nlohmann/json.hpp>

#include "operator/resources/builders.hpp"

namespace imageclassifier::resources {

Manifest build_pull_secret(const api::ImageClassifier& classifier, const Secret& docker_config,
                           const std::map<std::string, std::string>& annotations) {
  nlohmann::json object = child_skeleton(classifier, Kind::kSecret, pull_secret_name(classifier));
  if (!annotations.empty()) object["metadata"]["annotations"] = annotations;
  object["type"] = "kubernetes.io/dockerconfigjson";
  // Not stringData: the server would store it under `data`, where it could not be compared.
  object["data"] = {{".dockerconfigjson", docker_config.reveal()}};
  return finish(Kind::kSecret, std::move(object));
}

}  // namespace imageclassifier::resources
