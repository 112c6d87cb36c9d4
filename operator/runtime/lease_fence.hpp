#pragma once

#include <memory>
#include <optional>

#include "common/clock.hpp"
#include "operator/kubernetes/write_fence.hpp"

namespace imageclassifier::runtime {

/// Lets writes through while a Lease is held: from a stored renewal until its renew deadline, when the leader election
/// says so by open() and close().
///
/// A process can be frozen (SIGSTOP, cgroup freezer, a paused virtual machine) between the last look at the clock and
/// the first byte of a request; thawed after another process has taken the Lease, it would write beside it. No check in
/// the process can prevent that, but the kernel can: with Options::end_frozen a POSIX timer is armed while a write is
/// under way, whose signal at the end of the margin is SIGKILL, which ends stopped processes too and reaches a frozen
/// one before its next instruction. A process that is not frozen never gets there: its requests end before.
class LeaseFence final : public kubernetes::WriteFence {
 public:
  struct Options {
    /// From the end of a write's time to the end of the process; open_until plus this must be before others may take
    /// the Lease.
    Duration margin = std::chrono::milliseconds(2500);
    /// Needs a clock whose steady time is CLOCK_MONOTONIC.
    bool end_frozen = false;
  };

  LeaseFence(Options options, Clock& clock);
  ~LeaseFence() override;
  LeaseFence(const LeaseFence&) = delete;
  LeaseFence& operator=(const LeaseFence&) = delete;

  void open(SteadyTime until);
  void close();
  /// Until when writes may run now; nothing if the fence is closed or its time is over.
  std::optional<SteadyTime> open_until() const;

  std::optional<SteadyTime> enter() override;
  void leave() noexcept override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::runtime
