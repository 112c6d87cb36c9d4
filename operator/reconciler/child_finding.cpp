#include "operator/reconciler/child_finding.hpp"

#include "operator/diagnosis/stable_text.hpp"

namespace imageclassifier::reconciler {

diagnosis::Finding finding_about(std::string_view reason, resources::Kind kind, const std::string& name,
                                 std::string_view detail) {
  diagnosis::Finding finding = diagnosis::make_finding(
      reason, {{"kind", to_string(kind)}, {"object", name}, {"detail", diagnosis::without_usage(detail)}});
  finding.object = std::string(to_string(kind)) + " " + name;
  return finding;
}

}  // namespace imageclassifier::reconciler
