#include <nlohmann/json.hpp>

#include "operator/resources/builders.hpp"

namespace imageclassifier::resources {

Manifest build_access_secret(const api::ImageClassifier& classifier, const Secret& username, const Secret& password) {
  nlohmann::json object = child_skeleton(classifier, Kind::kSecret, access_secret_name(classifier));
  object["type"] = "kubernetes.io/basic-auth";
  object["data"] = {{"username", username.reveal()}, {"password", password.reveal()}};
  return finish(Kind::kSecret, std::move(object));
}

}  // namespace imageclassifier::resources
