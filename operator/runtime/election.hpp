#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "operator/runtime/lease.hpp"

namespace imageclassifier::runtime {

/// Defaults and names are those of Kubernetes' own components.
struct LeaseTiming {
  Duration lease_duration = std::chrono::seconds(15);  ///< others wait for so long after the last renewal they saw
  Duration renew_deadline = std::chrono::seconds(10);  ///< without a renewal for so long, the leader writes no more
  Duration retry_period = std::chrono::seconds(2);     ///< between renewals, and between looks of a follower

  /// kInvalidArgument unless lease_duration > renew_deadline > 1.2 retry_period > 0 (client-go leaderelection.go) and
  /// lease_duration is at least the second that a Lease can say.
  Result<void> check() const;
};

/// Who may lead, decided from what was seen of one Lease. No I/O and no clock of its own; not thread safe.
///
/// All times are steady times of this process: a foreign record counts from when its last change was *seen*, ours from
/// when its request was *sent*. Wall clocks, which jump and differ between machines, decide nothing
/// (client-go tools/leaderelection).
class Election {
 public:
  Election(std::string identity, LeaseTiming timing);

  /// The Lease as read at `now`.
  void saw(Lease lease, SteadyTime now);
  /// There is no Lease, or no more: a leader that does not know yet may write until its Lease would have run out.
  void saw_none();
  /// The server stored our write, which was sent at `sent`.
  void wrote(Lease lease, SteadyTime sent);

  /// Ours, free, or not renewed for its duration.
  bool may_take(SteadyTime now) const;
  /// When may_take() becomes true if nothing changes.
  SteadyTime expires() const;
  /// The record that takes or renews the Lease.
  LeaseRecord claim(WallTime wall) const;
  /// The record that gives it back: no holder, for one second.
  LeaseRecord release(WallTime wall) const;

  /// The record that was last seen names us.
  bool is_held_by_us() const { return lease_ && lease_->record.holder == identity_; }
  /// Until when writes may run: the last renewal plus the renew deadline; nothing if none was ever stored.
  std::optional<SteadyTime> valid_until() const;
  const std::optional<Lease>& lease() const { return lease_; }
  std::string holder() const { return lease_ ? lease_->record.holder : std::string(); }

 private:
  const std::string identity_;
  const LeaseTiming timing_;
  std::optional<Lease> lease_;
  SteadyTime changed_{};               ///< the record was first seen as it is
  std::optional<SteadyTime> renewed_;  ///< our last stored write was sent
  SteadyTime not_before_{};            ///< a deleted Lease of another process would have run out
};

}  // namespace imageclassifier::runtime
