#include "operator/reconciler/reconciler.hpp"

#include <nlohmann/json.hpp>

#include "common/log.hpp"
#include "operator/reconciler/kinds.hpp"
#include "operator/reconciler/status.hpp"

namespace imageclassifier::reconciler {
namespace {

using runtime::Outcome;
using runtime::WriteBarrier;

/// The watch shows our own write within milliseconds; asked sooner a pass would only run on old caches.
constexpr Duration kWriteNotSeen = std::chrono::milliseconds(20);

Counter& actions_counter(MetricsRegistry& metrics, const char* step, const char* kind) {
  return metrics.counter("imageclassifier_child_writes_total", "Writes to child objects, by step and kind.",
                         {{"step", step}, {"kind", kind}});
}

std::string ready_reason(const api::Status& status) {
  const api::Condition* ready = api::find_condition(status.conditions, "Ready");
  return ready == nullptr ? "" : ready->reason;
}

}  // namespace

Reconciler::Reconciler(Stores stores, kubernetes::ApiClient& client, EndpointProber& prober, WriteBarrier& barrier,
                       Clock& clock, MetricsRegistry& metrics)
    : stores_(stores),
      client_(client),
      prober_(prober),
      barrier_(barrier),
      clock_(clock),
      executor_(client, barrier),
      status_writes_(metrics.counter("imageclassifier_status_writes_total", "Writes to the status of a resource.")),
      metrics_(metrics) {
  for (const Step step : {Step::kCreate, Step::kTakeManager, Step::kApply, Step::kDelete}) {
    for (const resources::Kind kind :
         {resources::Kind::kSecret, resources::Kind::kDeployment, resources::Kind::kService}) {
      actions_counter(metrics_, to_string(step), to_string(kind));
    }
  }
}

Outcome Reconciler::reconcile(const runtime::ObjectKey& key, std::stop_token stop) {
  const WriteBarrier::Gate gate = barrier_.check(key);
  if (gate == WriteBarrier::Gate::kClosed) return Outcome::requeue_after(kWriteNotSeen);
  const auto observed = observe(key, stores_, client_, prober_, gate == WriteBarrier::Gate::kTimedOut, stop);
  if (!observed) return Outcome::retry(observed.error());
  if (!*observed || (*observed)->classifier.metadata.deleting) {
    // The children go with their owner references.
    prober_.forget(key);
    barrier_.forget(key);
    return Outcome::success();
  }
  const Plan plan = make_plan(**observed);
  const Executed executed = execute(**observed, plan, stop);
  const Report report = make_report(**observed, plan, executed.failures, clock_.wall_now());
  if (report.probe_url.empty()) {
    prober_.forget(key);
  } else {
    prober_.watch(key, report.probe_url, std::to_string(report.status.ready_replicas));
  }
  if (executed.error) return Outcome::retry(*executed.error);
  if (const auto written = write_status(**observed, report.status, stop); !written) {
    return Outcome::retry(written.error());
  }
  return Outcome::requeue_after(report.look_again);
}

Reconciler::Executed Reconciler::execute(const Observed& observed, const Plan& plan, std::stop_token stop) {
  Executed executed;
  for (const Action& action : plan.actions) {
    const char* kind = to_string(action.manifest.kind);
    const auto done = executor_.run(action, observed.classifier, stop);
    actions_counter(metrics_, to_string(action.step), kind).increment();
    log::info("Wrote a child object", {{"namespace", action.manifest.namespace_name},
                                       {"kind", kind},
                                       {"name", action.manifest.name},
                                       {"step", to_string(action.step)},
                                       {"why", action.why},
                                       {"result", done ? (*done ? std::string((*done)->name()) : "done")
                                                       : std::string(to_string(done.error().code))}});
    if (!done) {
      executed.error = done.error();
      return executed;
    }
    if (*done) executed.failures.push_back(**done);
  }
  return executed;
}

Result<void> Reconciler::write_status(const Observed& observed, const api::Status& status, std::stop_token stop) {
  const api::ImageClassifier& classifier = observed.classifier;
  if (status == classifier.status) return {};
  const nlohmann::json body = {{"apiVersion", api::kApiVersion},
                               {"kind", api::kKind},
                               {"metadata",
                                {{"name", classifier.metadata.name},
                                 {"namespace", classifier.metadata.namespace_name},
                                 {"uid", classifier.metadata.uid}}},
                               {"status", api::to_json(status)}};
  const kubernetes::ObjectName name{classifier.metadata.namespace_name, classifier.metadata.name};
  const auto reply = client_.apply_status(image_classifiers(), name, body.dump(), {api::kFieldManager}, stop);
  if (!reply) {
    if (reply.error().code == ErrorCode::kNotFound) return {};
    return fail(reply.error());
  }
  status_writes_.increment();
  barrier_.record({name.namespace_name, name.name}, image_classifiers().plural, reply->resource_version);
  const std::string before = ready_reason(classifier.status), after = ready_reason(status);
  if (before != after) {
    log::info("Changed the state of a resource",
              {{"namespace", name.namespace_name}, {"name", name.name}, {"before", before}, {"after", after}});
  }
  return {};
}

}  // namespace imageclassifier::reconciler
