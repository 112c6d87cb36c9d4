#include "operator/runtime/write_barrier.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "common/guarded.hpp"

namespace imageclassifier::runtime {
namespace {

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view without_leading_zeros(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of('0'), text.size()));
}

}  // namespace

int compare_resource_versions(std::string_view left, std::string_view right) {
  if (left == right) return 0;
  if (!all_digits(left) || !all_digits(right)) return 1;
  left = without_leading_zeros(left);
  right = without_leading_zeros(right);
  if (left.size() != right.size()) return left.size() < right.size() ? -1 : 1;
  return left.compare(right);
}

struct WriteBarrier::Impl {
  Impl(Options options_in, LastSeen last_seen_in, Clock& clock_in)
      : options(options_in), last_seen(std::move(last_seen_in)), clock(clock_in) {}

  struct Pending {
    std::map<std::string, std::string, std::less<>> versions;  // kind -> newest version written
    SteadyTime since;
    Duration look_again;
  };

  bool seen(const std::string& kind, const std::string& version) const {
    const std::string newest = last_seen(kind);
    return !newest.empty() && compare_resource_versions(newest, version) >= 0;
  }

  Options options;
  LastSeen last_seen;
  Clock& clock;
  Guarded<std::unordered_map<ObjectKey, Pending>> pending;
};

WriteBarrier::WriteBarrier(Options options, LastSeen last_seen, Clock& clock)
    : impl_(std::make_unique<Impl>(options, std::move(last_seen), clock)) {}
WriteBarrier::~WriteBarrier() = default;

void WriteBarrier::record(const ObjectKey& owner, std::string_view kind, std::string_view resource_version) {
  if (resource_version.empty()) return;
  auto pending = impl_->pending.lock();
  const auto [entry, is_new] = pending->try_emplace(owner);
  // Not with every write: a watch that is late would never be found out by somebody who keeps writing.
  if (is_new) entry->second.since = impl_->clock.steady_now();
  entry->second.look_again = impl_->options.first_look;
  std::string& newest = entry->second.versions[std::string(kind)];
  if (newest.empty() || compare_resource_versions(resource_version, newest) > 0) newest = resource_version;
}

WriteBarrier::Checked WriteBarrier::check(const ObjectKey& owner) {
  auto pending = impl_->pending.lock();
  const auto found = pending->find(owner);
  if (found == pending->end()) return {};
  Impl::Pending& entry = found->second;
  std::erase_if(entry.versions, [&](const auto& written) { return impl_->seen(written.first, written.second); });
  if (entry.versions.empty()) {
    pending->erase(found);
    return {};
  }
  if (impl_->clock.steady_now() - entry.since >= impl_->options.timeout) return {Gate::kTimedOut, {}};
  const Duration look_again = entry.look_again;
  entry.look_again = std::min(2 * look_again, impl_->options.last_look);
  return {Gate::kClosed, look_again};
}

void WriteBarrier::forget(const ObjectKey& owner) {
  impl_->pending.lock()->erase(owner);
}

}  // namespace imageclassifier::runtime
