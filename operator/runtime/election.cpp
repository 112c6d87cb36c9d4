#include "operator/runtime/election.hpp"

#include <algorithm>
#include <utility>

namespace imageclassifier::runtime {

Result<void> LeaseTiming::check() const {
  if (retry_period <= Duration::zero()) {
    return fail(ErrorCode::kInvalidArgument, "the retry period must be longer than 0");
  }
  if (renew_deadline * 5 <= retry_period * 6) {
    return fail(ErrorCode::kInvalidArgument, "the renew deadline must be longer than 1.2 retry periods");
  }
  if (lease_duration <= renew_deadline) {
    return fail(ErrorCode::kInvalidArgument, "the lease duration must be longer than the renew deadline");
  }
  if (lease_duration < std::chrono::seconds(1)) {
    return fail(ErrorCode::kInvalidArgument, "the lease duration must be at least 1s");
  }
  return {};
}

Election::Election(std::string identity, LeaseTiming timing) : identity_(std::move(identity)), timing_(timing) {}

void Election::saw(Lease lease, SteadyTime now) {
  if (!lease_ || lease_->record != lease.record) changed_ = now;
  lease_ = std::move(lease);
}

void Election::saw_none() {
  if (lease_ && !lease_->record.holder.empty() && !is_held_by_us()) not_before_ = expires();
  lease_.reset();
}

void Election::wrote(Lease lease, SteadyTime sent) {
  lease_ = std::move(lease);
  changed_ = sent;
  if (is_held_by_us()) {
    renewed_ = sent;
  } else {
    renewed_.reset();
  }
}

bool Election::may_take(SteadyTime now) const {
  if (!lease_) return now >= not_before_;
  return lease_->record.holder.empty() || is_held_by_us() || now >= expires();
}

SteadyTime Election::expires() const {
  if (!lease_) return not_before_;
  // A Lease that says less than we were told would be taken from a leader that has our timing.
  return changed_ + std::max<Duration>(lease_->record.duration, timing_.lease_duration);
}

LeaseRecord Election::claim(WallTime wall) const {
  LeaseRecord record;
  record.holder = identity_;
  record.duration = std::chrono::ceil<std::chrono::seconds>(timing_.lease_duration);
  record.renew_time = format_rfc3339_micro(wall);
  record.acquire_time = record.renew_time;
  if (!lease_) return record;
  record.transitions = lease_->record.transitions;
  if (is_held_by_us()) {
    if (!lease_->record.acquire_time.empty()) record.acquire_time = lease_->record.acquire_time;
  } else {
    ++record.transitions;
  }
  return record;
}

LeaseRecord Election::release(WallTime wall) const {
  LeaseRecord record;
  record.duration = std::chrono::seconds(1);
  record.renew_time = format_rfc3339_micro(wall);
  record.acquire_time = record.renew_time;
  record.transitions = lease_ ? lease_->record.transitions : 0;
  return record;
}

std::optional<SteadyTime> Election::valid_until() const {
  if (!renewed_ || !is_held_by_us()) return std::nullopt;
  return *renewed_ + timing_.renew_deadline;
}

}  // namespace imageclassifier::runtime
