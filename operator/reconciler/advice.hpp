#pragma once

#include <vector>

#include "operator/api/image_classifier.hpp"
#include "operator/diagnosis/reasons.hpp"

namespace imageclassifier::reconciler {

/// What a specification asks for and does not get, or will be sorry for, though nothing is wrong with its service: in
/// no condition, but told as an event when it changes, and by doctor. Pure.
std::vector<diagnosis::Finding> advice(const api::ImageClassifier& classifier);

}  // namespace imageclassifier::reconciler
