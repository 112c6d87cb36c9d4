#include "operator/reconciler/mounted.hpp"

#include "operator/resources/mounts.hpp"

namespace imageclassifier::reconciler {
namespace {

using diagnosis::Finding;
using resources::Reference;

std::optional<Finding> unusable(const Observed& observed, const Reference& reference) {
  const char* kind = to_string(reference.kind);
  const auto about = [&](const char* reason, const std::string& detail) {
    Finding finding = diagnosis::make_finding(reason, {{"kind", kind},
                                                       {"object", reference.name},
                                                       {"secret", reference.name},
                                                       {"field", reference.field},
                                                       {"key", reference.key},
                                                       {"namespace", observed.classifier.metadata.namespace_name},
                                                       {"detail", detail}});
    finding.object = std::string(kind) + " " + reference.name;
    return finding;
  };
  const auto found = observed.references.find({reference.kind, reference.name});
  if (found == observed.references.end()) {
    switch (reference.kind) {
      case Reference::Kind::kConfigMap:
        return about("ConfigMapNotFound", {});
      case Reference::Kind::kSecret:
        return about("SecretNotFound", {});
      case Reference::Kind::kPersistentVolumeClaim:
        return about("VolumeClaimNotFound", {});
    }
  }
  if (!found->second.forbidden.empty()) return about("ReadForbidden", found->second.forbidden);
  if (!reference.key.empty() && !found->second.keys.contains(reference.key)) return about("ConfigMapMalformed", {});
  return std::nullopt;
}

}  // namespace

std::optional<Finding> unusable_reference(const Observed& observed) {
  for (const Reference& reference : resources::references(observed.classifier)) {
    if (auto finding = unusable(observed, reference)) return finding;
  }
  return std::nullopt;
}

}  // namespace imageclassifier::reconciler
