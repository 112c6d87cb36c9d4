#pragma once

#include "operator/kubernetes/request.hpp"
#include "operator/resources/manifest.hpp"

namespace imageclassifier::reconciler {

/// The collections that the operator reads and writes.
const kubernetes::GroupVersionResource& image_classifiers();
const kubernetes::GroupVersionResource& deployments();
const kubernetes::GroupVersionResource& controller_revisions();
const kubernetes::GroupVersionResource& replica_sets();
const kubernetes::GroupVersionResource& pods();
const kubernetes::GroupVersionResource& services();
const kubernetes::GroupVersionResource& secrets();
const kubernetes::GroupVersionResource& service_accounts();
const kubernetes::GroupVersionResource& config_maps();
const kubernetes::GroupVersionResource& persistent_volume_claims();
const kubernetes::GroupVersionResource& events();
const kubernetes::GroupVersionResource& nodes();

const kubernetes::GroupVersionResource& collection_of(resources::Kind kind);

}  // namespace imageclassifier::reconciler
