#include "operator/cli/chain.hpp"

#include <algorithm>
#include <array>

#include "operator/diagnosis/pull_error.hpp"
#include "operator/reconciler/advice.hpp"
#include "operator/reconciler/aspects.hpp"
#include "operator/reconciler/mounted.hpp"
#include "operator/reconciler/plan.hpp"
#include "operator/resources/builders.hpp"
#include "operator/resources/mounts.hpp"

namespace imageclassifier::cli {
namespace {

using diagnosis::Finding;
using diagnosis::Outlook;
using reconciler::Aspect;
using reconciler::Observed;
using State = Link::State;

Link link_of(std::string name, const Finding& finding) {
  const Outlook outlook = finding.reason->outlook;
  const State state = outlook == Outlook::kGood      ? State::kGood
                      : outlook == Outlook::kWaiting ? State::kWaiting
                                                     : State::kBroken;
  return {std::move(name), state, std::string(finding.name()), finding.message, finding.remedy};
}

Link link_of(std::string name, const Aspect& aspect) {
  return link_of(std::move(name), aspect.blocker ? *aspect.blocker : aspect.finding);
}

/// What the operator has said, with what to do.
Link told_link(std::string name, State state, const api::Condition& told) {
  std::string text = told.message, remedy;
  if (diagnosis::find_reason(told.reason) != nullptr) {
    const Finding finding = diagnosis::as_told(diagnosis::make_finding(told.reason), told);
    text = finding.message;
    remedy = finding.remedy;
  }
  return {std::move(name), state, told.reason, "The operator says: " + text, remedy};
}

Link resource_link(const Observed& observed) {
  const api::ImageClassifier& classifier = observed.classifier;
  const std::int64_t generation = classifier.metadata.generation, seen = classifier.status.observed_generation;
  Link link{"resource", State::kGood, {}, "The operator has worked on it as it is now.", {}};
  if (classifier.metadata.deleting) {
    link.state = State::kWaiting;
    link.text = "It is being deleted; its finalizers decide when it is gone.";
  } else if (seen < generation) {
    link.state = State::kBroken;
    link.text = seen > 0 ? "The operator has not worked on the last change of it." : "No operator has worked on it.";
    link.remedy =
        "If that stays so for more than some seconds, look whether the operator runs: kubectl get pods -A -l "
        "app.kubernetes.io/name=imageclassifier-operator.";
  }
  return link;
}

/// Who asks may have fewer rights than the operator, whose word counts then. `what` could not be read; `told` may be
/// null.
std::string word_of_the_operator(const Observed& observed, const std::string& what, const api::Condition* told) {
  return "You lack the right to get " + what + " in namespace " + observed.classifier.metadata.namespace_name +
         ", which its administrator can grant you; the operator " +
         (told == nullptr ? "has said nothing." : "says: " + told->message);
}

/// "ConfigMap words, Secret callers": what pods mount and who asks may not read; empty: nothing.
std::string unreadable(const Observed& observed) {
  std::string names;
  const auto add = [&](const char* kind, const std::string& name) {
    names += (names.empty() ? "" : ", ") + std::string(kind) + " " + name;
  };
  for (const auto& [key, reference] : observed.references) {
    if (!reference.forbidden.empty()) add(resources::to_string(key.first), key.second);
  }
  if (!observed.secrets_forbidden.empty() && resources::makes_access_secret(observed.classifier.spec)) {
    add("Secret", resources::access_secret_name(observed.classifier));
  }
  return names;
}

/// What cannot be read is taken to be as it should: that it is not readable here is no fault of the operator's.
Observed as_if_allowed(Observed observed) {
  observed.secrets_forbidden.clear();
  for (const resources::Reference& wanted : resources::references(observed.classifier)) {
    const auto found = observed.references.find({wanted.kind, wanted.name});
    if (found == observed.references.end() || found->second.forbidden.empty()) continue;
    found->second.keys.insert(wanted.key);
  }
  for (auto& [key, reference] : observed.references) reference.forbidden.clear();
  return observed;
}

/// Of a condition that is not as it should be.
State state_for(const std::string& reason) {
  const auto* known = diagnosis::find_reason(reason);
  return known != nullptr && known->outlook == Outlook::kWaiting ? State::kWaiting : State::kBroken;
}

/// What the API server has refused is not there to be seen: the condition of the operator, which tried, says more than
/// that something is waited for.
Link or_refused(const Observed& observed, const char* type, Link seen) {
  constexpr std::array<std::string_view, 5> kRefusals = {"ObjectInvalid", "ObjectRefused", "PodTemplateInvalid",
                                                         "RightMissing", "ServiceInvalid"};
  const auto* told = api::find_condition(observed.classifier.status.conditions, type);
  const bool refused =
      told != nullptr && std::find(kRefusals.begin(), kRefusals.end(), told->reason) != kRefusals.end();
  if (!refused) return seen;
  return told_link(std::move(seen.name), State::kBroken, *told);
}

Link pods_link(const Observed& observed, Link seen) {
  const std::string what = unreadable(observed);
  const auto* told = api::find_condition(observed.classifier.status.conditions, "WorkloadAvailable");
  const bool fine = told != nullptr && told->status == "True";
  if (what.empty() || fine || seen.state == State::kBroken) return seen;
  Link link{"pods", State::kUnknown, {}, word_of_the_operator(observed, what, told), {}};
  if (told == nullptr) return link;
  link.reason = told->reason;
  link.state = state_for(told->reason);
  return link;
}

Link secret_link(const Observed& observed, const Aspect& credential) {
  if (credential.finding.name() == "InvalidReference") {
    return {"secret", State::kUnknown, {}, "It cannot be told for which registry one would be needed.", {}};
  }
  if (observed.secrets_forbidden.empty()) return link_of("secret", credential);
  const auto* told = api::find_condition(observed.classifier.status.conditions, "CredentialReady");
  Link link{"secret", State::kUnknown, {}, word_of_the_operator(observed, "secrets", told), {}};
  if (told != nullptr) {
    link.state = told->status == "True" ? State::kGood : told->status == "False" ? State::kBroken : State::kUnknown;
    link.reason = told->reason;
  }
  return link;
}

bool is_held_up(const Link& link) {
  return link.reason == "CredentialNotReady" || link.reason == "CredentialPending" || link.reason == "NoReadyPods";
}

Link image_link(const Observed& observed, const Aspect& credential, const Link& pods) {
  if (credential.finding.name() == "InvalidReference") return link_of("image", credential);
  if (diagnosis::is_pull_reason(pods.reason)) {
    Link link = pods;
    link.name = "image";
    return link;
  }
  const bool pulled = std::any_of(observed.pods.begin(), observed.pods.end(), [](const auto& pod) {
    return std::any_of(pod->containers.begin(), pod->containers.end(), [](const api::ContainerStatus& container) {
      return container.running || container.ready || container.exit_code;
    });
  });
  const std::string& image = observed.classifier.spec.image;
  const auto* told = api::find_condition(observed.classifier.status.conditions, "ImageResolved");
  if (told != nullptr && told->status == "False") {
    return told_link("image", pulled ? State::kNote : State::kBroken, *told);
  }
  if (pulled) return {"image", State::kGood, {}, "A node has pulled " + image + ".", {}};
  const std::string none = "No node has pulled " + image + " yet.";
  if (told != nullptr && told->status == "True") {
    return {"image", State::kGood, told->reason, told->message + " " + none, {}};
  }
  if (told != nullptr && told->reason == "CheckingImage") return {"image", State::kWaiting, {}, told->message, {}};
  return {"image", State::kUnknown, {}, none, {}};
}

Link http_link(const Observed& observed, const std::optional<reconciler::ProbeResult>& probe,
               const std::optional<reconciler::ProbeTarget>& target) {
  Link link{"http", State::kWaiting, {}, "It is not asked before there is an address and a pod that is ready.", {}};
  const auto* told = api::find_condition(observed.classifier.status.conditions, "EndpointReady");
  const bool operator_got_through = told != nullptr && told->status == "True";
  const bool only_inside = operator_got_through && told->reason == "AnsweringInside";
  if (!target || !probe) {
    if (only_inside) link = {"http", State::kUnknown, told->reason, "The operator says: " + told->message, {}};
    return link;
  }
  if (probe->ok) {
    link.state = State::kGood;
    link.text = target->url + " answers HTTP 200 to this machine.";
  } else if (only_inside) {
    link.state = State::kUnknown;
    link.reason = told->reason;
    link.text =
        target->url + " does not answer this machine (" + probe->detail + "). The operator says: " + told->message;
  } else if (operator_got_through) {
    link.state = State::kGood;
    link.text = target->url + " answers HTTP 200 to the operator, but not to this machine: " + probe->detail + ".";
  } else {
    link.state = State::kBroken;
    link.text = target->url + " does not answer HTTP 200 on /readyz to this machine: " + probe->detail + ".";
    if (told != nullptr) {
      link.reason = told->reason;
      link.text += " The operator says: " + told->message;
    }
    link.remedy =
        "Look whether the load balancer's health probe asks for /readyz, and whether a firewall or "
        "spec.service.sourceRanges stands between.";
  }
  return link;
}

}  // namespace

const char* to_string(Link::State state) noexcept {
  switch (state) {
    case State::kGood:
      return "ok";
    case State::kWaiting:
      return "waiting";
    case State::kBroken:
      return "BROKEN";
    case State::kNote:
      return "note";
    case State::kUnknown:
      return "?";
  }
  return "";
}

std::optional<reconciler::ProbeTarget> target_to_ask(const Observed& observed, const reconciler::Plan& plan) {
  if (!observed.service || !observed.deployment || observed.deployment->ready_replicas == 0) return std::nullopt;
  const auto address = reconciler::address_of(observed.classifier, plan.exposure.service, *observed.service);
  if (!address || address->probe_url.empty()) return std::nullopt;
  return reconciler::ProbeTarget{address->probe_url,
                                 reconciler::served_certificate(observed, plan.exposure.service.tls_secret_name)};
}

std::vector<Link> walk(const Observed& observed, const std::optional<reconciler::ProbeResult>& probe, WallTime now) {
  const Observed seen = as_if_allowed(observed);
  const reconciler::Plan plan = reconciler::make_plan(seen, now);
  const Aspect workload = reconciler::workload_aspect(seen, plan, plan.obstacles);
  const Aspect credential = reconciler::credential_aspect(plan, plan.obstacles, seen, workload);
  const reconciler::EndpointAspect endpoint = reconciler::endpoint_aspect(seen, plan, plan.obstacles, now);
  // Those of the last good revision may well run in place of the wanted ones.
  const Aspect rollback = reconciler::rollback_aspect(plan);
  Link pods = pods_link(observed, link_of("pods", rollback.blocker && !workload.blocker ? rollback : workload));
  const Link image = image_link(observed, credential, pods);
  if (is_held_up(pods)) pods.state = State::kWaiting;
  if (image.state == State::kBroken) pods = {"pods", State::kWaiting, {}, "They wait for the image.", {}};
  pods = or_refused(observed, "WorkloadAvailable", std::move(pods));
  Link balancer = link_of("load balancer", endpoint.aspect);
  const bool given = endpoint.address.has_value() && balancer.reason != "EndpointPublic";
  if (given) balancer = {"load balancer", State::kGood, {}, endpoint.address->endpoint.url + " is the address.", {}};
  balancer = or_refused(observed, "EndpointReady", std::move(balancer));
  const Link secret = or_refused(observed, "CredentialReady", secret_link(observed, credential));
  std::vector<Link> chain = {resource_link(observed), secret, image, pods, balancer};
  if (reconciler::without_pods(plan.scale)) {
    chain.push_back({"http", State::kGood, {}, "Nothing answers, on purpose.", {}});
  } else {
    chain.push_back(http_link(observed, probe, target_to_ask(observed, plan)));
  }
  for (const Finding& finding : reconciler::advice(observed.classifier)) {
    chain.push_back({"beside that", State::kNote, std::string(finding.name()), finding.text(), {}});
  }
  // What no link speaks of, such as an object beside these that the API server refuses.
  const api::Condition* told = api::find_condition(observed.classifier.status.conditions, "Ready");
  const Link* fault = first_fault(chain);
  const Link rest = or_refused(observed, "Ready", {"the rest", State::kGood, {}, {}, {}});
  if (rest.state == State::kBroken && (fault == nullptr || fault->state != State::kBroken)) {
    chain.push_back(rest);
  } else if (told != nullptr && told->status == "False" && fault == nullptr) {
    chain.push_back(told_link("the rest", state_for(told->reason), *told));
  }
  return chain;
}

const Link* first_fault(const std::vector<Link>& chain) {
  for (const State state : {State::kBroken, State::kWaiting}) {
    const auto found = std::find_if(chain.begin(), chain.end(), [&](const Link& link) { return link.state == state; });
    if (found != chain.end()) return &*found;
  }
  return nullptr;
}

std::string format(const std::vector<Link>& chain, const std::string& title) {
  const auto padded = [](std::string text, std::size_t width) {
    text.resize(std::max(width, text.size()), ' ');
    return text;
  };
  const Link* fault = first_fault(chain);
  const bool broken = fault != nullptr && fault->state == State::kBroken;
  std::string out = title + (fault == nullptr ? ": all is well\n" : broken ? ": broken at " : ": waiting at ");
  if (fault != nullptr) out += fault->name + "\n";
  for (const Link& link : chain) {
    out += "  " + padded(link.name, 15) + padded(to_string(link.state), 9) +
           (link.reason.empty() ? "" : link.reason + ": ") + link.text + "\n";
  }
  if (fault != nullptr && !fault->remedy.empty()) out += "What to do: " + fault->remedy + "\n";
  return out;
}

}  // namespace imageclassifier::cli
