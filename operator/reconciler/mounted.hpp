#pragma once

#include <optional>

#include "operator/diagnosis/reasons.hpp"
#include "operator/reconciler/observed.hpp"

namespace imageclassifier::reconciler {

/// The first object that the pods mount and that is missing or cannot be used; nothing if all are as they should be.
/// Pure.
std::optional<diagnosis::Finding> unusable_reference(const Observed& observed);

}  // namespace imageclassifier::reconciler
