#include "inference-server/protocol/classes_json.hpp"

#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace imageclassifier::protocol {

using Json = nlohmann::ordered_json;

Json classes_json(const std::vector<postprocess::Prediction>& predictions) {
  std::map<std::string, int> seen;
  for (const postprocess::Prediction& prediction : predictions) ++seen[prediction.label];
  Json json = Json::object();
  for (const postprocess::Prediction& prediction : predictions) {
    const std::string index = seen[prediction.label] > 1 ? " (" + std::to_string(prediction.index) + ")" : "";
    json[prediction.label + index] = prediction.probability;
  }
  return json;
}

}  // namespace imageclassifier::protocol
