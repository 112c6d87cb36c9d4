#pragma once

#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "common/clock.hpp"
#include "common/guarded.hpp"
#include "common/metrics.hpp"
#include "operator/kubernetes/api_client.hpp"
#include "operator/reconciler/contest.hpp"
#include "operator/reconciler/execute.hpp"
#include "operator/reconciler/mint_desk.hpp"
#include "operator/reconciler/observe.hpp"
#include "operator/reconciler/pod_events.hpp"
#include "operator/reconciler/prober.hpp"
#include "operator/reconciler/resource_metrics.hpp"
#include "operator/runtime/controller.hpp"
#include "operator/runtime/event.hpp"
#include "operator/runtime/write_barrier.hpp"

namespace imageclassifier::reconciler {

/// One pass over one resource: observe -> plan -> execute -> status. Not from caches older than our own last write
/// (runtime::WriteBarrier), and nothing destructive from caches alone. What it has changed it tells as events: see
/// events.hpp. Holds nothing that a restart would lose but who fights with it over a child (contest.hpp), what events
/// say of a pod (pod_events.hpp) and since when the API server refuses something. Thread safe for different keys;
/// references must outlive it.
class Reconciler {
 public:
  Reconciler(Stores stores, kubernetes::ApiClient& client, EndpointProber& prober, MintDesk& mint_desk,
             ImageChecker& images, NodeArchitectures& nodes, runtime::WriteBarrier& barrier,
             runtime::RecordEvent record_event, Clock& clock, MetricsRegistry& metrics);

  runtime::Outcome reconcile(const runtime::ObjectKey& key, std::stop_token stop);

  /// Another process works from now on: metrics tell nothing of resources here any more. Not while a pass runs.
  void stand_by() { resource_metrics_.forget_all(); }

 private:
  struct Executed {
    std::vector<diagnosis::Finding> failures;
    std::optional<Error> error;             ///< the first error to retry after; later actions were not tried
    Duration look_again = Duration::max();  ///< for what had to wait
  };
  /// `look_again`: at the latest.
  runtime::Outcome carry_out(const runtime::ObjectKey& key, const Observed& observed, const Plan& plan,
                             Duration look_again, std::stop_token stop);
  /// Nothing is done; a right that is missing is shown on the resource.
  runtime::Outcome show_missing_right(const Observed& observed, Plan plan, Error error, std::stop_token stop);
  Executed execute(const Observed& observed, const Plan& plan, std::stop_token stop);
  /// An error of the API server's own that has gone on for so long that people must be told. Until then it may be its
  /// etcd that has no leader for a moment.
  bool lasts(const runtime::ObjectKey& key, const Error& error);
  /// For how long the API server has refused just these for this generation, as far as this process knows.
  Duration refused_for(const Observed& observed, const std::vector<diagnosis::Finding>& refused);
  /// Writes the status if it is not what the resource shows already.
  Result<void> write_status(const Observed& observed, const api::Status& status, std::stop_token stop);

  Stores stores_;
  kubernetes::ApiClient& client_;
  EndpointProber& prober_;
  MintDesk& mint_desk_;
  ImageChecker& images_;
  NodeArchitectures& nodes_;
  runtime::WriteBarrier& barrier_;
  runtime::RecordEvent record_event_;
  Clock& clock_;
  Executor executor_;
  Contest contest_{Contest::Options{}};
  PodEvents pod_events_;
  Guarded<std::map<runtime::ObjectKey, SteadyTime>> failing_since_;  ///< those whose last pass ended in such an error
  struct Refusals {
    std::string what;
    SteadyTime since;
  };
  Guarded<std::map<runtime::ObjectKey, Refusals>> refusals_;  ///< of those whose last pass met some
  ResourceMetrics resource_metrics_;
  Counter& status_writes_;
  Counter& write_not_seen_;
  Counter& destructive_;
  MetricsRegistry& metrics_;
};

}  // namespace imageclassifier::reconciler
