#pragma once

#include <optional>
#include <string>

#include "operator/diagnosis/reasons.hpp"
#include "operator/reconciler/observed.hpp"

namespace imageclassifier::reconciler {

/// The first object that the pods mount and that is missing or cannot be used; nothing if all are as they should be.
/// Pure.
std::optional<diagnosis::Finding> unusable_reference(const Observed& observed);

/// The certificate of a Secret that spec.service.tls or a revision that serves names, as PEM; empty if there is none,
/// or none that can be used.
std::string served_certificate(const Observed& observed, const std::string& tls_secret);

}  // namespace imageclassifier::reconciler
