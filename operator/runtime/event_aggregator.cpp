#include "operator/runtime/event_aggregator.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "common/uuid.hpp"

namespace imageclassifier::runtime {
namespace {

constexpr std::size_t kLongestName = 253;

void append(std::string& key, const std::string& part) {
  key += part;
  key += '\0';
}

void append(std::string& key, const ObjectReference& reference) {
  for (const std::string* part :
       {&reference.api_version, &reference.kind, &reference.namespace_name, &reference.name, &reference.uid}) {
    append(key, *part);
  }
}

std::string key_of(const ObjectReference& reference) {
  std::string key;
  append(key, reference);
  return key;
}

std::string key_of(const Event& event) {
  std::string key = event.type == EventType::kNormal ? "N" : "W";
  append(key, event.action);
  append(key, event.reason);
  append(key, event.regarding);
  append(key, event.related.value_or(ObjectReference{}));
  append(key, event.note);
  return key;
}

bool fits_a_name(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
}

}  // namespace

std::string EventAggregator::name_for(const std::string& object, WallTime wall) {
  last_stamp_ = std::max(last_stamp_ + 1, static_cast<std::int64_t>(wall.time_since_epoch().count()));
  std::array<char, 16> hex{};
  const auto end = std::to_chars(hex.data(), hex.data() + hex.size(), last_stamp_, 16).ptr;
  std::string name = object + "." + std::string(hex.data(), end);
  return name.size() <= kLongestName && fits_a_name(object) ? name : random_uuid();
}

bool EventAggregator::take_token(const Event& event, SteadyTime now) {
  std::string key = key_of(event.regarding);
  auto found = buckets_.by_key.find(key);
  if (found == buckets_.by_key.end()) {
    if (buckets_.recent.size() >= options_.maximum_objects) {
      buckets_.by_key.erase(buckets_.recent.front().key);
      buckets_.recent.pop_front();
    }
    const auto place = buckets_.recent.insert(buckets_.recent.end(), {key, static_cast<double>(options_.burst), now});
    found = buckets_.by_key.emplace(std::move(key), place).first;
  }
  buckets_.recent.splice(buckets_.recent.end(), buckets_.recent, found->second);
  Bucket& bucket = *found->second;
  const double gained = std::chrono::duration<double>(now - bucket.filled) / options_.refill;
  bucket.tokens = std::min(bucket.tokens + gained, static_cast<double>(options_.burst));
  bucket.filled = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

void EventAggregator::remember(Series series) {
  if (series_.recent.size() >= options_.maximum_series) {
    const Series& oldest = series_.recent.front();
    if (oldest.unwritten) evicted_.push_back(oldest.state);
    series_.by_key.erase(oldest.key);
    series_.recent.pop_front();
  }
  const auto place = series_.recent.insert(series_.recent.end(), std::move(series));
  series_.by_key.emplace(place->key, place);
}

EventAggregator::Decision EventAggregator::record(Event event, SteadyTime now, WallTime wall) {
  std::string key = key_of(event);
  const auto found = series_.by_key.find(key);
  if (found == series_.by_key.end() || now - found->second->last_seen >= options_.finish) {
    if (!take_token(event, now)) return {Verdict::kSuppressed};
    if (found != series_.by_key.end()) {
      if (found->second->unwritten) evicted_.push_back(found->second->state);
      series_.recent.erase(found->second);
      series_.by_key.erase(found);
    }
    EventWrite write{std::move(event), {}, wall, wall, 1};
    write.name = name_for(write.event.regarding.name, wall);
    remember({std::move(key), write, now, now});
    return {Verdict::kWrite, std::move(write)};
  }
  series_.recent.splice(series_.recent.end(), series_.recent, found->second);
  Series& series = *found->second;
  ++series.state.count;
  series.state.last_seen = wall;
  series.last_seen = now;
  series.unwritten = true;
  if (series.state.count > 2 || !take_token(event, now)) return {Verdict::kCounted};
  series.unwritten = false;
  series.last_written = now;
  return {Verdict::kWrite, series.state};
}

std::vector<EventWrite> EventAggregator::due(SteadyTime now) {
  std::vector<EventWrite> writes = std::exchange(evicted_, {});
  while (!series_.recent.empty() && now - series_.recent.front().last_seen >= options_.finish) {
    Series& ended = series_.recent.front();
    series_.by_key.erase(ended.key);
    if (ended.unwritten) writes.push_back(std::move(ended.state));
    series_.recent.pop_front();
  }
  for (Series& series : series_.recent) {
    if (!series.unwritten || now - series.last_written < options_.refresh) continue;
    series.unwritten = false;
    series.last_written = now;
    writes.push_back(series.state);
  }
  return writes;
}

std::optional<SteadyTime> EventAggregator::next_due() const {
  if (!evicted_.empty()) return SteadyTime::min();
  if (series_.recent.empty()) return std::nullopt;
  SteadyTime next = series_.recent.front().last_seen + options_.finish;
  for (const Series& series : series_.recent) {
    if (series.unwritten) next = std::min(next, series.last_written + options_.refresh);
  }
  return next;
}

std::vector<EventWrite> EventAggregator::flush() {
  std::vector<EventWrite> writes = std::exchange(evicted_, {});
  for (Series& series : series_.recent) {
    if (std::exchange(series.unwritten, false)) writes.push_back(series.state);
  }
  return writes;
}

}  // namespace imageclassifier::runtime
