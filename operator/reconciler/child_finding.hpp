#pragma once

#include <string>
#include <string_view>

#include "operator/diagnosis/reasons.hpp"
#include "operator/resources/manifest.hpp"

namespace imageclassifier::reconciler {

/// The finding `reason` about a child object, with its values kind, object and detail. Pure.
diagnosis::Finding finding_about(std::string_view reason, resources::Kind kind, const std::string& name,
                                 std::string_view detail = {});

}  // namespace imageclassifier::reconciler
