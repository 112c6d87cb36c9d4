#include "operator/reconciler/advice.hpp"

#include "operator/resources/builders.hpp"

namespace imageclassifier::reconciler {

using diagnosis::Finding;
using diagnosis::make_finding;

std::vector<Finding> advice(const api::ImageClassifier& classifier) {
  std::vector<Finding> found;
  std::string keys;
  for (const std::string& key : resources::overruled_annotations(classifier.spec.service)) {
    keys += (keys.empty() ? "" : ", ") + key;
  }
  if (!keys.empty()) found.push_back(make_finding("AnnotationOverruled", {{"key", keys}}));
  if (resources::forbids_eviction(classifier.spec)) {
    found.push_back(make_finding("EvictionForbidden", {{"name", classifier.metadata.name}}));
  }
  return found;
}

}  // namespace imageclassifier::reconciler
