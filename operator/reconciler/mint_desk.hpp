#pragma once

#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "common/clock.hpp"
#include "common/guarded.hpp"
#include "common/metrics.hpp"
#include "operator/kubernetes/api_client.hpp"
#include "operator/reconciler/observed.hpp"
#include "operator/reconciler/turnstile.hpp"
#include "operator/registry/mint.hpp"
#include "operator/registry/settings.hpp"
#include "operator/runtime/inquiries.hpp"
#include "operator/runtime/object_key.hpp"

namespace imageclassifier::reconciler {

/// Mints credentials outside the reconcile workers, for as long as a resource wants one and until it has it, as often
/// as a Turnstile of its own lets it ask a registry; a failure is tried again with growing pauses, and told only when
/// it is another one. Thread safe; references must outlive it.
class MintDesk {
 public:
  /// `on_change` is told whose answer is new, on a thread of the desk's or within attend(). `ask` must be thread
  /// safe.
  MintDesk(registry::Settings settings, registry::Ask ask, registry::AskMetadata ask_metadata,
           kubernetes::ApiClient& client, std::function<void(const runtime::ObjectKey&)> on_change, Clock& clock,
           MetricsRegistry& metrics);

  void start() { inquiries_.start(); }
  void stop() { inquiries_.stop(); }

  /// What is known now.
  ObservedMinting look(const runtime::ObjectKey& key, const Observed& observed) const;
  /// Sees to it that somebody is asked for what `observed` lacks, and nobody if it lacks nothing.
  void attend(const runtime::ObjectKey& key, const Observed& observed);
  void forget(const runtime::ObjectKey& key) { inquiries_.forget(key); }

 private:
  struct Task {
    std::string id;
    registry::MintQuestion question;
    kubernetes::ObjectName account;  ///< of MintQuestion::Identity::kFederated
    WallTime held_until;             ///< what there is works until then
  };
  using Inquiries = runtime::Inquiries<Task, MintAnswer>;

  Inquiries::Reply mint(const Task& task, const std::shared_ptr<const MintAnswer>& before, std::stop_token stop);
  registry::Minting<Secret> request_token(const kubernetes::ObjectName& account, std::stop_token stop);

  const registry::Settings settings_;
  registry::Minter minter_;
  kubernetes::ApiClient& client_;
  Clock& clock_;
  Counter& minted_;
  Counter& failed_;
  Histogram& assertion_seconds_;
  Turnstile<registry::MintFailure> turnstile_;
  Guarded<std::map<std::string, int>> failures_;  ///< in a row, by Task::id
  Inquiries inquiries_;                           ///< last: its threads use the others
};

}  // namespace imageclassifier::reconciler
