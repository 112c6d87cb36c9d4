#pragma once

#include <vector>

#include "common/clock.hpp"
#include "operator/diagnosis/reasons.hpp"
#include "operator/reconciler/observed.hpp"
#include "operator/reconciler/plan.hpp"
#include "operator/reconciler/prober.hpp"

namespace imageclassifier::reconciler {

/// The outcome of a pass, as the resource shows it.
struct Report {
  api::Status status;
  Duration look_again{};           ///< when to look again, more or less, if nothing changes
  Duration due = Duration::max();  ///< when something is to happen: not a moment later than needed
  ProbeTarget probe;               ///< what is to be asked for /readyz; without a url nothing
};

/// Status after the plan was carried out; `failures` are the findings of actions that the server refused, for
/// `refused_for` already. Pure: the same observation gives the same status, but for the times of what has changed.
Report make_report(const Observed& observed, const Plan& plan, const std::vector<diagnosis::Finding>& failures,
                   WallTime now, Duration refused_for = {});

}  // namespace imageclassifier::reconciler
