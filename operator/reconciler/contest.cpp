#include "operator/reconciler/contest.hpp"

#include <algorithm>

#include "operator/reconciler/child_finding.hpp"

namespace imageclassifier::reconciler {

Contest::Entry* Contest::known(Entries& entries, const Place& place, const resources::Manifest& manifest,
                               SteadyTime now) const {
  const auto found = entries.find(place);
  if (found == entries.end() || found->second.hash != manifest.hash) return nullptr;
  return now - found->second.last < options_.calm ? &found->second : nullptr;
}

Duration Contest::must_wait(const runtime::ObjectKey& key, const resources::Manifest& manifest, SteadyTime now) {
  auto entries = entries_.lock();
  Entry* entry = known(*entries, {key, manifest.kind}, manifest, now);
  if (entry == nullptr || entry->writes < options_.at_once) return Duration::zero();
  entry->last = now;
  return std::max(entry->next - now, Duration::zero());
}

void Contest::written(const runtime::ObjectKey& key, const resources::Manifest& manifest, const std::string& why,
                      SteadyTime now) {
  auto entries = entries_.lock();
  if (now >= next_sweep_) {
    std::erase_if(*entries, [&](const auto& each) { return now - each.second.last >= options_.calm; });
    next_sweep_ = now + options_.calm;
  }
  const Place place{key, manifest.kind};
  Entry* entry = known(*entries, place, manifest, now);
  if (entry == nullptr) {
    entry = &(*entries)[place];
    *entry = Entry{manifest.hash, manifest.name, why, 0, now, now};
  }
  ++entry->writes;
  entry->last = now;
  if (entry->writes < options_.at_once) return;
  if (entry->writes == options_.at_once) entry->why = why;
  const int doubled = std::min(entry->writes - options_.at_once, 16);
  entry->next = now + std::min(options_.first_pause * (1 << doubled), options_.last_pause);
}

std::vector<diagnosis::Finding> Contest::findings(const runtime::ObjectKey& key, SteadyTime now) const {
  std::vector<diagnosis::Finding> found;
  const auto entries = entries_.lock();
  for (const resources::Kind kind : resources::kAllKinds) {
    const auto entry = entries->find({key, kind});
    if (entry == entries->end() || entry->second.writes < options_.at_once || now - entry->second.last >= options_.calm)
      continue;
    found.push_back(finding_about("FieldContested", kind, entry->second.name, entry->second.why));
  }
  return found;
}

}  // namespace imageclassifier::reconciler
