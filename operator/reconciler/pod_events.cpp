#include "operator/reconciler/pod_events.hpp"

#include <algorithm>
#include <utility>

#include "common/log.hpp"
#include "operator/diagnosis/pod_events.hpp"
#include "operator/reconciler/kinds.hpp"

namespace imageclassifier::reconciler {
namespace {

constexpr int kPage = 50;
/// The oldest come first. More than a thousand of one pod are somebody's flood.
constexpr int kMostPages = 20;

/// The one that was looked at before, as long as it is there; else any.
const api::Pod* pod_in_question(const Observed& observed, const std::string& before) {
  const api::Pod* chosen = nullptr;
  for (const auto& pod : observed.pods) {
    if (!diagnosis::is_being_created(*pod)) continue;
    if (chosen == nullptr || pod->metadata.uid == before) chosen = pod.get();
  }
  return chosen;
}

}  // namespace

std::optional<Duration> PodEvents::read(Observed& observed, std::stop_token stop) {
  const api::ObjectMeta& metadata = observed.classifier.metadata;
  const runtime::ObjectKey key{metadata.namespace_name, metadata.name};
  const SteadyTime now = clock_.steady_now();
  Entry entry;
  {
    auto entries = entries_.lock();
    if (const auto known = entries->find(key); known != entries->end()) entry = known->second;
  }
  const api::Pod* pod = pod_in_question(observed, entry.pod_uid);
  if (pod == nullptr) {
    forget(key);
    return std::nullopt;
  }
  if (entry.pod_uid != pod->metadata.uid)
    entry = {pod->metadata.uid, now + options_.patience, options_.first_pause, {}};
  if (entry.due <= now) {
    if (auto listed = list(*pod, std::move(stop))) entry.events = std::move(*listed);
    entry.due = now + entry.pause;
    entry.pause = std::min(entry.pause * 2, options_.last_pause);
  }
  observed.pod_events = entry.events;
  const Duration wait = entry.due - now;
  entries_.lock()->insert_or_assign(key, std::move(entry));
  return wait;
}

void PodEvents::forget(const runtime::ObjectKey& key) {
  entries_.lock()->erase(key);
}

std::optional<std::vector<api::Event>> PodEvents::list(const api::Pod& pod, std::stop_token stop) {
  kubernetes::ListOptions options;
  options.selectors.fields = "involvedObject.uid=" + pod.metadata.uid;
  options.limit = kPage;
  std::vector<api::Event> newest;
  const auto keep = [&](std::string_view item) {
    auto event = api::decode_event(item);
    if (!event || (!newest.empty() && event->last_seen < newest.front().last_seen)) return;
    if (!newest.empty() && event->last_seen > newest.front().last_seen) newest.clear();
    newest.push_back(std::move(*event));
  };
  for (int page = 0; page < kMostPages; ++page) {
    auto read = client_.list(events(), pod.metadata.namespace_name, options, keep, stop);
    if (!read) {
      log::warning("Could not read the events of a pod; it is looked at again later",
                   {{"pod", pod.metadata.name}, {"error", read.error().describe()}});
      return std::nullopt;
    }
    options.continue_token = std::move(read->continue_token);
    if (options.continue_token.empty()) break;
  }
  return newest;
}

}  // namespace imageclassifier::reconciler
