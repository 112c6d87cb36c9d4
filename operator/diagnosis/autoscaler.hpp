#pragma once

#include <string_view>
#include <vector>

#include "operator/api/condition.hpp"
#include "operator/diagnosis/reasons.hpp"

namespace imageclassifier::diagnosis {

/// Whether the HorizontalPodAutoscaler `name` acts and, if not, why, from the conditions that api::Child keeps of it.
/// Always a finding: AutoscalerActive or AutoscalerAtMaximum if it does, AutoscalerWaiting while that is not known.
Finding diagnose_autoscaler(std::string_view name, const std::vector<api::Condition>& conditions);

}  // namespace imageclassifier::diagnosis
