#include "operator/reconciler/status.hpp"

#include <algorithm>

#include "operator/api/time.hpp"
#include "operator/reconciler/aspects.hpp"
#include "operator/reconciler/minting.hpp"
#include "operator/reconciler/mounted.hpp"
#include "operator/registry/image_reference.hpp"
#include "operator/resources/builders.hpp"

namespace imageclassifier::reconciler {
namespace {

using diagnosis::Finding;
using diagnosis::make_finding;
using diagnosis::Outlook;

constexpr Duration kLookAgainReady = std::chrono::minutes(5);
constexpr Duration kLookAgainWaiting = std::chrono::seconds(30);
/// "Looked at again within 30 seconds", with room for the pass itself.
constexpr Duration kLookAgainFailing = std::chrono::seconds(15);

/// A pass that is a moment early would find nothing to do.
constexpr Duration kMoment = std::chrono::milliseconds(50);

/// What breaks goes before what is still on its way; of equals the earlier in the chain credential, image,
/// workload, endpoint.
const Finding* choose_blocker(const std::vector<const Aspect*>& aspects, const Aspect** from) {
  for (const bool failing : {true, false}) {
    for (const Aspect* aspect : aspects) {
      if (!aspect->blocker) continue;
      const Outlook outlook = aspect->blocker->reason->outlook;
      if (failing && outlook != Outlook::kFailing && outlook != Outlook::kStalled) continue;
      *from = aspect;
      return &*aspect->blocker;
    }
  }
  return nullptr;
}

class Conditions {
 public:
  Conditions(const api::ImageClassifier& classifier, WallTime now) : classifier_(classifier), now_(now) {}

  void add(const std::string& type, const std::string& status, std::string_view reason, std::string message) {
    api::Condition condition{
        type, status, classifier_.metadata.generation, {}, std::string(reason), std::move(message)};
    const api::Condition* before = api::find_condition(classifier_.status.conditions, type);
    condition.last_transition_time =
        before != nullptr && before->status == status ? before->last_transition_time : format_rfc3339(now_);
    list_.push_back(std::move(condition));
  }
  void add(const std::string& type, const Aspect& aspect) {
    add(type, aspect.status, aspect.finding.name(), aspect.finding.text());
  }
  std::vector<api::Condition> take() { return std::move(list_); }

 private:
  const api::ImageClassifier& classifier_;
  WallTime now_;
  std::vector<api::Condition> list_;
};

std::optional<api::Failure> last_failure(const Finding* blocker, const api::Status& before, WallTime now) {
  if (blocker == nullptr ||
      (blocker->reason->outlook != Outlook::kFailing && blocker->reason->outlook != Outlook::kStalled)) {
    return before.last_failure;
  }
  api::Failure failure{
      std::string(blocker->name()), blocker->message,   blocker->remedy,    blocker->object, blocker->pod_name,
      blocker->container_name,      blocker->exit_code, format_rfc3339(now)};
  // The same failure seen in another pod, or later, is no news.
  const auto& known = before.last_failure;
  if (known && known->reason == failure.reason && known->message == failure.message) return known;
  return failure;
}

/// Where `kubectl scale` seems to do nothing.
std::string scheduled_replicas(const api::Spec& spec, const resources::Scale& scale) {
  const bool window_decides =
      spec.schedule && scale.mode == resources::Scale::Mode::kFixed && scale.replicas != spec.replicas;
  if (!window_decides) return {};
  return " A window of spec.schedule asks for " + std::to_string(scale.replicas) +
         " replicas now; spec.replicas, which kubectl scale changes, counts in windows that name none.";
}

/// `more`: for the message, while all is well; `beside`: while it is not.
void add_summary(Conditions& conditions, const std::optional<Finding>& none, const EndpointAspect& endpoint,
                 const Finding* blocker, const Aspect* from, bool rolled_back, const std::string& more,
                 const std::string& beside) {
  const std::optional<Address>& address = endpoint.address;
  if (blocker == nullptr) {
    if (none) {
      conditions.add("Ready", "True", none->name(), none->text());
    } else {
      const Finding& answer = endpoint.aspect.finding;
      std::string message = answer.name() == "AnsweringInside"
                                ? answer.message
                                : make_finding("Ready", {{"url", address ? address->endpoint.url : ""}}).text();
      if (address && address->endpoint.scope == "Internal") {
        message +=
            " The address is internal; to open it set spec.service.scope to Public and list the callers' networks "
            "in spec.service.sourceRanges, or ask for a password by spec.service.authentication.";
      }
      conditions.add("Ready", "True", "Ready", message + more);
    }
    const Finding stable = make_finding("Stable");
    conditions.add("Reconciling", "False", stable.name(), stable.text());
    conditions.add("Stalled", "False", stable.name(), stable.text());
    return;
  }
  const std::string status = from->status == "Unknown" ? "Unknown" : "False";
  conditions.add("Ready", status, blocker->name(), blocker->text() + beside);
  // What was rolled back is not tried again, whatever it failed of.
  const bool stalled = rolled_back || blocker->reason->outlook == Outlook::kStalled;
  const Finding stable = make_finding("Stable");
  const Finding working = make_finding("Reconciling");
  conditions.add("Reconciling", stalled ? "False" : "True", stalled ? stable.name() : blocker->name(),
                 stalled ? "Waiting does not help: see the condition Stalled." : blocker->text());
  conditions.add("Stalled", stalled ? "True" : "False",
                 !stalled      ? working.name()
                 : rolled_back ? "RolledBack"
                               : blocker->name(),
                 stalled ? blocker->text() : working.text());
}

api::Endpoint dated(api::Endpoint endpoint, const std::optional<api::Endpoint>& before, WallTime now) {
  if (before) endpoint.last_transition_time = before->last_transition_time;
  const bool same = !endpoint.last_transition_time.empty() && endpoint == before;
  if (!same) endpoint.last_transition_time = format_rfc3339(now);
  return endpoint;
}

/// How long to wait while something is broken of which nobody tells when it is mended. What the API server refuses is
/// tried again as much later as it has been so already, ever more seldom; a Secret is looked for all the time, and
/// somebody else's interference has pauses of its own.
Duration patience(const Plan& plan, const std::vector<Finding>& refused, Duration refused_for) {
  const bool contested = std::any_of(refused.begin(), refused.end(),
                                     [](const Finding& finding) { return finding.name() == "FieldContested"; });
  if (refused.empty() || contested || !plan.credential.usable || plan.unusable_reference) return kLookAgainFailing;
  return std::clamp(refused_for, kLookAgainFailing, kLookAgainReady);
}

/// What the pods of the revision run, as they tell. While several digests do, because the tag has moved, it stays with
/// the one that was told before.
std::string digest_of_pods(const Observed& observed, const std::string& revision, const std::string& before) {
  std::string digest;
  for (const auto& replica_set : observed.replica_sets) {
    if (replica_set->metadata.pod_revision != revision) continue;
    for (const auto& pod : observed.pods) {
      if (pod->metadata.owner_uid != replica_set->metadata.uid) continue;
      for (const api::ContainerStatus& container : pod->containers) {
        if (container.name != resources::kContainerName || container.image_digest.empty()) continue;
        if (container.image_digest == before) return before;
        if (digest.empty() || container.image_digest < digest) digest = container.image_digest;
      }
    }
  }
  return digest.empty() ? before : digest;
}

/// Of an index the pods tell another digest than the registry: what they were made to run counts.
api::ImageStatus image_of(const Observed& observed, const Plan& plan) {
  const std::string& requested = observed.classifier.spec.image;
  const auto& before = observed.classifier.status.image;
  const bool known = before && before->requested == requested;
  api::ImageStatus image;
  image.requested = requested;
  const std::string instead = image_instead(observed, plan.rollout);
  const auto reference = registry::parse_image_reference(instead.empty() ? requested : instead);
  image.digest = instead.empty() ? plan.image.digest : (reference ? reference->digest : "");
  image.tag_digest = plan.image.tag_digest;
  if (!instead.empty() && image.tag_digest.empty() && plan.image.digest != image.digest)
    image.tag_digest = plan.image.digest;
  if (image.digest.empty()) {
    const std::string& revision = instead.empty() ? plan.rollout.wanted.name : plan.rollout.target.name;
    image.digest = digest_of_pods(observed, revision, known && instead.empty() ? before->digest : "");
  }
  if (reference && !image.digest.empty())
    image.resolved = reference->server + "/" + reference->repository + "@" + image.digest;
  image.platforms = plan.image.platforms;
  return image;
}

/// Of the pods that are to run, be they of an earlier specification.
resources::UsedSecrets secrets_in_use(const api::ImageClassifier& classifier, const Rollout& rollout) {
  if (rollout.failure) return resources::used_secrets(rollout.target);
  return {resources::wanted_pull_secret(classifier), resources::wanted_access_secret(classifier)};
}

/// When something is to be done about the credential, or to be told of it.
std::vector<WallTime> moments_of(const CredentialAssessment& credential) {
  if (!credential.rotate || !credential.expires) return {};
  std::vector<WallTime> moments = {*credential.rotate, *credential.expires};
  if (is_rotation_failing(credential.finding.name())) {
    for (const WallTime alarm : rotation_alarms(*credential.rotate, *credential.expires)) moments.push_back(alarm);
  }
  return moments;
}

}  // namespace

Report make_report(const Observed& observed, const Plan& plan, const std::vector<Finding>& failures, WallTime now,
                   Duration refused_for) {
  const api::ImageClassifier& classifier = observed.classifier;
  std::vector<Finding> all = plan.obstacles;
  all.insert(all.end(), failures.begin(), failures.end());
  const Aspect workload = workload_aspect(observed, plan, all);
  const Aspect image = image_aspect(observed, plan, workload);
  const Aspect credential = credential_aspect(plan, all, observed, workload);
  const EndpointAspect endpoint = endpoint_aspect(observed, plan, all, now);
  const Aspect rollback = rollback_aspect(plan);
  const Aspect others = other_children_aspect(classifier.spec.monitoring, all);
  const std::vector<const Aspect*> aspects = {&credential, &image, &workload, &rollback, &endpoint.aspect, &others};
  const Aspect* from = nullptr;
  const Finding* blocker = choose_blocker(aspects, &from);

  Report report;
  api::Status& status = report.status;
  status.observed_generation = classifier.metadata.generation;
  status.selector = resources::selector_text(classifier);
  if (observed.deployment && observed.deployment->metadata.owner_uid == classifier.metadata.uid) {
    status.replicas = observed.deployment->status_replicas;
    status.ready_replicas = observed.deployment->ready_replicas;
  }
  if (endpoint.address) status.endpoint = dated(endpoint.address->endpoint, classifier.status.endpoint, now);
  status.image = image_of(observed, plan);
  status.model = observed.endpoint.model ? observed.endpoint.model : classifier.status.model;
  const resources::UsedSecrets secrets = secrets_in_use(classifier, plan.rollout);
  const bool ours = secrets.pull == resources::pull_secret_name(classifier);
  const bool missing = !plan.credential.usable && !(ours ? observed.pull_secret : observed.source_secret);
  if (!missing) status.pull_secret.name = secrets.pull;
  if (ours && !missing) {
    if (plan.credential.expires) status.pull_secret.expires_at = format_rfc3339(*plan.credential.expires);
    if (plan.credential.rotate) status.pull_secret.rotate_at = format_rfc3339(*plan.credential.rotate);
  }
  status.access_secret_name = secrets.access;
  status.current_revision = plan.rollout.current;
  status.update_revision = plan.image.may_start ? plan.rollout.wanted.name : classifier.status.update_revision;
  status.last_good_revision = plan.rollout.last_good;
  status.last_failure = last_failure(blocker, classifier.status, now);
  Conditions conditions(classifier, now);
  conditions.add("CredentialReady", credential);
  conditions.add("ImageResolved", image);
  conditions.add("WorkloadAvailable", workload);
  conditions.add("EndpointReady", endpoint.aspect);
  if (const auto self_test = self_test_aspect(observed, plan, workload)) {
    conditions.add("SelfTestPassed", *self_test);
  }
  if (const auto autoscaler = autoscaler_aspect(observed, plan)) conditions.add("AutoscalerActive", *autoscaler);
  const std::optional<Finding> none = without_pods(plan.scale);
  const Finding suspended = none ? *none : make_finding("PodsWanted");
  conditions.add("RolledBack", rollback);
  conditions.add("Suspended", none ? "True" : "False", suspended.name(), suspended.text());
  // It has no condition of its own.
  const std::string beside = others.blocker && from != &others ? " Beside that: " + others.blocker->text() : "";
  add_summary(conditions, none, endpoint, blocker, from, from == &rollback,
              scheduled_replicas(classifier.spec, plan.scale), beside);
  status.conditions = conditions.take();

  if (endpoint.address && status.ready_replicas > 0) {
    const Address& address = *endpoint.address;
    const std::string& url = address.probe_url.empty() ? address.inside_url : address.probe_url;
    report.probe = {url, served_certificate(observed, plan.exposure.service.tls_secret_name), address.inside_url,
                    address.way};
  }
  report.look_again = blocker == nullptr ? kLookAgainReady : kLookAgainWaiting;
  // The prober and the watches tell of every change of an endpoint; a Secret or a quota changes unseen.
  const bool told = (from == &endpoint.aspect || from == &rollback) && all.empty();
  if (blocker != nullptr && blocker->reason->outlook != Outlook::kWaiting) {
    report.look_again = told ? kLookAgainReady : patience(plan, all, refused_for);
  }
  // What mends it may be seen by nothing but looking.
  if (is_rotation_failing(plan.credential.finding.name()))
    report.look_again = std::min(report.look_again, kLookAgainWaiting);
  for (const WallTime moment : moments_of(plan.credential)) {
    if (moment > now) report.due = std::min<Duration>(report.due, moment - now + kMoment);
  }
  if (plan.scale.next_change) {
    status.next_scheduled_change = format_rfc3339(*plan.scale.next_change);
    report.due = std::min(report.due, std::max<Duration>(*plan.scale.next_change - now, {}) + kMoment);
  }
  if (endpoint.look_again) {
    report.due = std::min(report.due, *endpoint.look_again + Duration(std::chrono::seconds(1)));
  }
  return report;
}

}  // namespace imageclassifier::reconciler
