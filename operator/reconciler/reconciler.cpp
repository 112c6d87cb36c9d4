#include "operator/reconciler/reconciler.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "common/log.hpp"
#include "operator/diagnosis/pod.hpp"
#include "operator/reconciler/child_finding.hpp"
#include "operator/reconciler/events.hpp"
#include "operator/reconciler/kinds.hpp"
#include "operator/reconciler/minting.hpp"
#include "operator/reconciler/status.hpp"

namespace imageclassifier::reconciler {
namespace {

using runtime::Outcome;
using runtime::WriteBarrier;

constexpr Duration kLasting = std::chrono::seconds(30);

Counter& actions_counter(MetricsRegistry& metrics, const char* step, const char* kind) {
  return metrics.counter("imageclassifier_child_writes_total", "Writes to child objects, by step and kind.",
                         {{"step", step}, {"kind", kind}});
}

Counter& live_counter(MetricsRegistry& metrics, const char* why) {
  return metrics.counter("imageclassifier_live_observations_total",
                         "Observations by GET in place of the caches, by reason.", {{"why", why}});
}

/// Somebody else's change in between is everyday life: begin anew from what there is now.
Outcome after(Error error) {
  return error.code == ErrorCode::kConflict ? Outcome::requeue(std::move(error)) : Outcome::retry(std::move(error));
}

/// Long waits differ by up to a quarter from key to key: what began together, when the operator started, does not ask
/// for its Secrets together for ever after.
Duration spread(Duration wait, const runtime::ObjectKey& key) {
  if (wait < std::chrono::minutes(1)) return wait;
  const auto share = static_cast<Duration::rep>(std::hash<runtime::ObjectKey>()(key) % 1000);
  return wait * 3 / 4 + wait / 2000 * share;
}

std::string ready_reason(const api::Status& status) {
  const api::Condition* ready = api::find_condition(status.conditions, "Ready");
  return ready == nullptr ? "" : ready->reason;
}

}  // namespace

Reconciler::Reconciler(Stores stores, kubernetes::ApiClient& client, EndpointProber& prober, MintDesk& mint_desk,
                       ImageChecker& images, NodeArchitectures& nodes, WriteBarrier& barrier,
                       runtime::RecordEvent record_event, Clock& clock, MetricsRegistry& metrics)
    : stores_(stores),
      client_(client),
      prober_(prober),
      mint_desk_(mint_desk),
      images_(images),
      nodes_(nodes),
      barrier_(barrier),
      record_event_(std::move(record_event)),
      clock_(clock),
      executor_(client, barrier),
      pod_events_(PodEvents::Options{}, client, clock),
      resource_metrics_(metrics),
      status_writes_(metrics.counter("imageclassifier_status_writes_total", "Writes to the status of a resource.")),
      write_not_seen_(live_counter(metrics, "write_not_seen")),
      destructive_(live_counter(metrics, "destructive")),
      metrics_(metrics) {
  for (const Step step :
       {Step::kCreate, Step::kTakeManager, Step::kScale, Step::kHandOver, Step::kApply, Step::kDelete}) {
    for (const resources::Kind kind : resources::kAllKinds) actions_counter(metrics_, to_string(step), to_string(kind));
  }
}

Outcome Reconciler::reconcile(const runtime::ObjectKey& key, std::stop_token stop) {
  const WriteBarrier::Checked barrier = barrier_.check(key);
  if (barrier.gate == WriteBarrier::Gate::kClosed) return Outcome::not_yet(barrier.look_again);
  const bool late = barrier.gate == WriteBarrier::Gate::kTimedOut;
  if (late) write_not_seen_.increment();
  const Askers askers{prober_, &images_, &mint_desk_, &nodes_};
  Result<std::optional<Observed>> observed = observe(key, stores_, client_, askers, late, clock_.wall_now(), stop);
  if (!observed && late && observed.error().code == ErrorCode::kPermissionDenied) {
    const auto cached = observe(key, stores_, client_, askers, false, clock_.wall_now(), stop);
    if (cached && *cached)
      return show_missing_right(**cached, make_plan(**cached, clock_.wall_now()), observed.error(), stop);
  }
  if (!observed) return after(observed.error());
  if (!*observed || (*observed)->classifier.metadata.deleting) {
    // The children go with their owner references.
    prober_.forget(key);
    mint_desk_.forget(key);
    images_.forget(key);
    nodes_.forget(key);
    barrier_.forget(key);
    pod_events_.forget(key);
    failing_since_.lock()->erase(key);
    refusals_.lock()->erase(key);
    resource_metrics_.forget(key);
    return Outcome::success();
  }
  std::optional<Duration> pods_due = pod_events_.read(**observed, stop);
  Plan plan = make_plan(**observed, clock_.wall_now());
  if (!late && needs_live_reads(plan)) {
    destructive_.increment();
    auto live = observe(key, stores_, client_, askers, true, clock_.wall_now(), stop);
    if (!live) return show_missing_right(**observed, std::move(plan), live.error(), stop);
    observed = std::move(live);
    // Its deletion is on the way to us.
    if (!*observed || (*observed)->classifier.metadata.deleting) return Outcome::success();
    pods_due = pod_events_.read(**observed, stop);
    plan = make_plan(**observed, clock_.wall_now());
  }
  return carry_out(key, **observed, plan, pods_due.value_or(Duration::max()), stop);
}

Outcome Reconciler::show_missing_right(const Observed& observed, Plan plan, Error error, std::stop_token stop) {
  if (error.code == ErrorCode::kPermissionDenied && !plan.actions.empty()) {
    const resources::Manifest& wanted = plan.actions.front().manifest;
    const diagnosis::Finding finding = finding_about("RightMissing", wanted.kind, wanted.name, error.message);
    plan.actions.clear();
    const Report report = make_report(observed, plan, {finding}, clock_.wall_now());
    if (const auto written = write_status(observed, report.status, stop); !written) return after(written.error());
  }
  return after(std::move(error));
}

Outcome Reconciler::carry_out(const runtime::ObjectKey& key, const Observed& observed, const Plan& plan,
                              Duration look_again, std::stop_token stop) {
  const Executed executed = execute(observed, plan, stop);
  std::vector<diagnosis::Finding> refused = plan.obstacles;
  refused.insert(refused.end(), executed.failures.begin(), executed.failures.end());
  const Report report =
      make_report(observed, plan, executed.failures, clock_.wall_now(), refused_for(observed, refused));
  if (report.probe.url.empty()) {
    prober_.forget(key);
  } else {
    prober_.watch(key, report.probe, std::to_string(report.status.ready_replicas));
  }
  mint_desk_.attend(key, observed);
  if (observed.image.question) {
    const bool fails = std::any_of(observed.pods.begin(), observed.pods.end(),
                                   [](const auto& pod) { return diagnosis::is_pull_failing(*pod); });
    images_.watch(key, *observed.image.question, !plan.image.may_start || fails);
    nodes_.watch(key, observed.classifier.spec);
  } else {
    images_.forget(key);
    nodes_.forget(key);
  }
  resource_metrics_.tell(key, report.status, plan.credential.server, held_until(observed));
  if (executed.error) return after(*executed.error);
  if (const auto written = write_status(observed, report.status, stop); !written) return after(written.error());
  return Outcome::requeue_after(
      std::min({spread(report.look_again, key), report.due, executed.look_again, look_again}));
}

bool Reconciler::lasts(const runtime::ObjectKey& key, const Error& error) {
  if (error.code != ErrorCode::kInternal) return false;
  const SteadyTime now = clock_.steady_now();
  return now - failing_since_.lock()->emplace(key, now).first->second >= kLasting;
}

Reconciler::Executed Reconciler::execute(const Observed& observed, const Plan& plan, std::stop_token stop) {
  Executed executed;
  const runtime::ObjectKey key{observed.classifier.metadata.namespace_name, observed.classifier.metadata.name};
  std::set<resources::Kind> undone;
  bool lasting = false;
  bool ending = false;  // the namespace: what it refuses once it refuses for each child
  for (const Action& action : plan.actions) {
    if (action.after && undone.contains(*action.after)) continue;
    if (ending && action.step == Step::kCreate) {
      undone.insert(action.manifest.kind);
      continue;
    }
    const bool shapes = action.step == Step::kCreate || action.step == Step::kApply;
    const Duration wait = shapes ? contest_.must_wait(key, action.manifest, clock_.steady_now()) : Duration::zero();
    if (wait > Duration::zero()) {
      executed.look_again = std::min(executed.look_again, wait);
      undone.insert(action.manifest.kind);
      continue;
    }
    const char* kind = to_string(action.manifest.kind);
    auto done = executor_.run(action, observed.classifier, stop);
    const bool written = done && !*done;
    if (written) actions_counter(metrics_, to_string(action.step), kind).increment();
    log::info(written ? "Wrote a child object" : "Could not write a child object",
              {{"namespace", action.manifest.namespace_name},
               {"kind", kind},
               {"name", action.manifest.name},
               {"step", to_string(action.step)},
               {"why", action.why},
               {"result",
                done ? (*done ? std::string((*done)->name()) : "done") : std::string(to_string(done.error().code))}});
    const bool ends = !done && done.error().code == ErrorCode::kEnding;
    if (ends || (!done && lasts(key, done.error()))) {
      (ends ? ending : lasting) = true;
      done = finding_about("ObjectRefused", action.manifest.kind, action.manifest.name, done.error().message);
    }
    if (!done) {
      executed.error = done.error();
      return executed;
    }
    if (!*done && shapes) contest_.written(key, action.manifest, action.why, clock_.steady_now());
    if (*done) {
      executed.failures.push_back(**done);
      if (shapes) undone.insert(action.manifest.kind);
    } else if (auto event = event_of(action, observed.classifier)) {
      record_event_(std::move(*event));
    }
  }
  if (!lasting) failing_since_.lock()->erase(key);
  for (diagnosis::Finding& contested : contest_.findings(key, clock_.steady_now())) {
    executed.failures.push_back(std::move(contested));
  }
  return executed;
}

Duration Reconciler::refused_for(const Observed& observed, const std::vector<diagnosis::Finding>& refused) {
  const api::ObjectMeta& metadata = observed.classifier.metadata;
  const runtime::ObjectKey key{metadata.namespace_name, metadata.name};
  const SteadyTime now = clock_.steady_now();
  auto all = refusals_.lock();
  if (refused.empty()) {
    all->erase(key);
    return {};
  }
  // Not the server's words: a quota's count what is used.
  std::string what = std::to_string(metadata.generation);
  for (const diagnosis::Finding& finding : refused) what += ' ' + std::string(finding.name()) + ' ' + finding.object;
  Refusals& known = (*all)[key];
  if (known.what != what) known = {std::move(what), now};
  return now - known.since;
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
  for (runtime::Event& event : events_of(classifier, status)) record_event_(std::move(event));
  const std::string before = ready_reason(classifier.status), after = ready_reason(status);
  if (before != after) {
    log::info("Changed the state of a resource",
              {{"namespace", name.namespace_name}, {"name", name.name}, {"before", before}, {"after", after}});
  }
  return {};
}

}  // namespace imageclassifier::reconciler
