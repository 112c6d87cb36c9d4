#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "common/clock.hpp"
#include "common/metrics.hpp"
#include "common/result.hpp"
#include "operator/kubernetes/api_client.hpp"
#include "operator/runtime/election.hpp"
#include "operator/runtime/lease_fence.hpp"

namespace imageclassifier::runtime {

/// Lets one of several processes work at a time, by a Lease (coordination.k8s.io/v1; client-go tools/leaderelection).
///
/// A follower watches the Lease, so that a leader that leaves in good order is replaced at once; one that crashed is
/// replaced lease_duration after its last renewal was seen. A leader that cannot renew stops writing (LeaseFence) at
/// renew_deadline, well before others may take over, and becomes a follower again: the process need not end
/// (KEP-5366). One exception, as in client-go: whoever deletes the Lease by hand while another process starts lets that
/// one take it at once, and the leader learns of it with its next renewal. Metrics:
/// leader_election_master_status{name}, leader_election_slowpath_total{name}.
class LeaderElection {
 public:
  struct Options {
    std::string namespace_name = {};
    std::string name = {};
    std::string identity = {};  ///< unlike that of any other process, also of an earlier one on the same host
    LeaseTiming timing = {};
    /// A leader whose lease ran out and that works on for so long fails fresh(). Longer than
    /// Controller::Options::drain.
    Duration tolerance = std::chrono::seconds(20);
  };

  /// `client` should have a transport of its own, so that a busy pool cannot cost the lease, request_time(timing) as
  /// time-out, and no fence. `fence` is opened and closed. References must outlive this.
  LeaderElection(Options options, kubernetes::ApiClient& client, LeaseFence& fence, Clock& clock,
                 MetricsRegistry& metrics);
  ~LeaderElection();
  LeaderElection(const LeaderElection&) = delete;
  LeaderElection& operator=(const LeaderElection&) = delete;

  /// The time-out of one request for the Lease: after a renewal, the next one and the look that follows its failure end
  /// before the renew deadline.
  static Duration request_time(const LeaseTiming& timing);

  /// Follows and leads by turns until `stop`. `lead` runs on the calling thread while this process leads; its token is
  /// stopped by `stop` and by the loss of leadership, and it returns when nothing of it runs any more. The Lease is
  /// renewed until then and given back after it. Ends early with the Error of a `lead` that was not stopped.
  Result<void> run(std::stop_token stop, const std::function<Result<void>(std::stop_token)>& lead);

  /// An error if `lead` still runs though the lease ran out more than Options::tolerance ago. Any thread.
  Result<void> fresh() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::runtime
