#include "operator/runtime/leader_election.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "common/json_scan.hpp"
#include "common/log.hpp"
#include "operator/kubernetes/request.hpp"
#include "operator/kubernetes/status.hpp"

namespace imageclassifier::runtime {
namespace {

using kubernetes::GroupVersionResource;

const GroupVersionResource kLeases{"coordination.k8s.io", "v1", "leases"};
constexpr std::string_view kManager = "leader-election";
// How often a release is tried: it spares others the lease duration, but must not hold up the end of the process.
constexpr int kReleaseTries = 3;
// A right that is missing is not given within seconds: 2, 4, 8, 16 s between tries.
constexpr int kMostDoublings = 3;
constexpr Duration kWatchRefused = std::chrono::minutes(1);
// So that a Lease has run out when the silence of its watch ends.
constexpr Duration kGrace = std::chrono::milliseconds(10);

/// Hands each Lease of a watch to `seen`, until that says false.
class LeaseSink final : public kubernetes::LineSink {
 public:
  explicit LeaseSink(std::function<bool(Lease)> seen) : seen_(std::move(seen)) {}

  bool on_line(std::string_view line) override {
    const std::string type = find_string(line, {"type"});
    if (type == "DELETED") return false;  // look by GET
    const std::string_view object = find_member(line, "object").value_or(std::string_view());
    if (type == "ERROR") {
      return fails(kubernetes::to_error(kubernetes::parse_status(object).value_or(kubernetes::Status{}), "The watch"));
    }
    Result<Lease> lease = parse_lease(object);
    return lease ? seen_(std::move(*lease)) : fails(lease.error());
  }
  /// What the server said in place of a Lease, if it did.
  const std::optional<Error>& failure() const { return failure_; }

 private:
  bool fails(Error error) {
    failure_ = std::move(error);
    return false;
  }

  std::optional<Error> failure_;
  std::function<bool(Lease)> seen_;
};

}  // namespace

struct LeaderElection::Impl {
  Impl(Options options_in, kubernetes::ApiClient& client_in, LeaseFence& fence_in, Clock& clock_in,
       MetricsRegistry& metrics)
      : options(std::move(options_in)),
        client(client_in),
        fence(fence_in),
        clock(clock_in),
        election(options.identity, options.timing),
        master(metrics.gauge("leader_election_master_status",
                             "Whether this process leads (1) or follows (0), by name of the lease.",
                             {{"name", options.name}})),
        slow_path(metrics.counter("leader_election_slowpath_total",
                                  "Renewals that had to read the lease first, by name of the lease.",
                                  {{"name", options.name}})) {}

  // ---- The Lease in the server. One thread at a time: that of run() as a follower, the renewing one as a leader.

  Result<void> read(std::stop_token stop) {
    const auto reply = client.get(kLeases, {options.namespace_name, options.name}, stop);
    if (!reply && reply.error().code == ErrorCode::kNotFound) {
      election.saw_none();
      return {};
    }
    if (!reply) return fail(reply.error());
    Result<Lease> lease = parse_lease(reply->body);
    if (!lease) return fail(lease.error());
    election.saw(std::move(*lease), clock.steady_now());
    tell_holder();
    return {};
  }

  Result<void> write(const LeaseRecord& record, std::stop_token stop) {
    const SteadyTime sent = clock.steady_now();
    const auto reply = election.lease()
                           ? client.update(kLeases, {options.namespace_name, options.name},
                                           with_record(*election.lease(), record), kManager, stop)
                           : client.create(kLeases, options.namespace_name,
                                           new_lease(options.namespace_name, options.name, record), kManager, stop);
    if (!reply) return fail(reply.error());
    Result<Lease> lease = parse_lease(reply->body);
    if (!lease) return fail(lease.error());
    const bool ours = lease->record.holder == record.holder;
    election.wrote(std::move(*lease), sent);
    publish();
    return ours ? Result<void>() : fail(ErrorCode::kConflict, "the API server answered a write with another holder");
  }

  void publish() {
    const auto until = election.valid_until();
    if (!until) return fence.close();
    last_valid.store(until->time_since_epoch().count());
    fence.open(*until);
  }

  void tell_holder() {
    const std::string holder = election.holder();
    if (holder == told || holder == options.identity) return;
    told = holder;
    if (!holder.empty()) log::info("Another process leads", {{"lease", lease_text()}, {"holder", holder}});
  }

  std::string lease_text() const { return options.namespace_name + "/" + options.name; }

  void tell_error(const char* message, const Error& error) {
    // What goes wrong every two seconds is said once, until something goes right.
    if (error.describe() == told_error) return;
    told_error = error.describe();
    log::warning(message, {{"lease", lease_text()}, {"error", told_error}});
  }

  // ---- Follower

  /// True when the Lease is ours, false when stopped.
  bool acquire(std::stop_token stop) {
    bool overtaken_before = false;  // with the Lease free to take ever since
    while (!stop.stop_requested()) {
      const Result<void> seen = read(stop);
      if (seen && election.may_take(clock.steady_now())) {
        const Result<void> taken = write(election.claim(clock.wall_now()), stop);
        if (taken) {
          told_error.clear();
          refusals = 0;
          return true;
        }
        const ErrorCode code = taken.error().code;
        const bool overtaken = code == ErrorCode::kConflict || code == ErrorCode::kAlreadyExists;
        if (overtaken && !std::exchange(overtaken_before, true)) continue;
        report(taken.error());
      } else if (seen) {
        overtaken_before = false;
        if (follow(stop)) continue;
      } else {
        report(seen.error());
      }
      pause(stop);
    }
    return false;
  }

  void report(const Error& error) {
    const bool refused = error.code == ErrorCode::kPermissionDenied || error.code == ErrorCode::kEnding;
    refusals = refused ? std::min(refusals + 1, kMostDoublings) : 0;
    if (error.code != ErrorCode::kCancelled) tell_error("Could not read or take the lease", error);
  }

  /// Watches until the Lease is free or has run out. False: the watch broke; look by GET after a pause.
  bool follow(std::stop_token stop) {
    refusals = 0;
    if (clock.steady_now() < watch_not_before) return false;
    kubernetes::WatchOptions watch;
    watch.selectors.fields = "metadata.name=" + options.name;
    watch.resource_version = election.lease()->resource_version;
    watch.bookmarks = false;  // the idle time-out is to tell that the Lease was not renewed
    LeaseSink sink([this](Lease lease) {
      election.saw(std::move(lease), clock.steady_now());
      tell_holder();
      return !election.may_take(clock.steady_now());
    });
    const Duration idle = std::max<Duration>(election.expires() - clock.steady_now(), Duration(0)) + kGrace;
    const auto end = client.watch(watch_request(kLeases, options.namespace_name, watch), sink, idle, stop);
    if (!end && end.error().code == ErrorCode::kCancelled) return true;
    if (election.may_take(clock.steady_now())) return true;
    if (sink.failure()) {
      tell_error("Could not watch the lease: looking at it by the clock", *sink.failure());
      return false;
    }
    if (end && end->cause == kubernetes::StreamEnd::Cause::kEndedBySink) return true;
    if (end && end->cause == kubernetes::StreamEnd::Cause::kRefusedByServer) {
      const Error error =
          kubernetes::to_error(kubernetes::status_of(end->status, end->headers, end->body), "Watching the lease");
      if (error.code == ErrorCode::kPermissionDenied) watch_not_before = clock.steady_now() + kWatchRefused;
      tell_error("Could not watch the lease: looking at it by the clock", error);
    }
    return false;
  }

  void pause(std::stop_token stop) {
    // Followers that lost the same leader must not go on in step.
    const double factor = std::uniform_real_distribution<double>(0.5, 1.0)(random);
    const auto longest = static_cast<double>((options.timing.retry_period * (1 << refusals)).count());
    clock.sleep_for(Duration(static_cast<Duration::rep>(longest * factor)), stop);
  }

  // ---- Leader

  /// Renews until `ended`, or until the Lease is lost, which is answered with the reason.
  Result<void> renew(std::stop_token ended) {
    while (clock.sleep_for(options.timing.retry_period, ended)) {
      Result<void> renewed = write(election.claim(clock.wall_now()), ended);
      if (!renewed && !ended.stop_requested()) renewed = renew_slowly(ended);
      if (!renewed && ended.stop_requested()) return {};
      if (renewed) {
        told_error.clear();
        continue;
      }
      tell_error("Could not renew the lease", renewed.error());
      if (election.lease() && !election.is_held_by_us()) {
        return fail(ErrorCode::kConflict, "the lease was taken by \"" + election.holder() + "\"");
      }
      if (!election.valid_until() || !fence.open_until()) {
        return fail(Error(ErrorCode::kDeadlineExceeded, "the lease could not be renewed in time", renewed.error()));
      }
    }
    return {};
  }

  Result<void> renew_slowly(std::stop_token ended) {
    slow_path.increment();
    if (Result<void> seen = read(ended); !seen) return seen;
    if (election.lease() && !election.is_held_by_us()) return fail(ErrorCode::kConflict, "another process holds it");
    if (!fence.open_until()) {
      return fail(ErrorCode::kDeadlineExceeded, "the API server answered too late");
    }
    // Somebody deleted it: a new one is ours only while nobody else can have made one.
    return write(election.claim(clock.wall_now()), ended);
  }

  Result<void> lead(std::stop_token stop, const std::function<Result<void>(std::stop_token)>& work) {
    log::info("Started leading", {{"lease", lease_text()}, {"identity", options.identity}});
    master.set(1);
    leading.store(true);
    std::stop_source end_work;
    std::stop_callback forward(stop, [&end_work] { end_work.request_stop(); });
    Result<void> kept;
    std::jthread renewing([&](std::stop_token ended) {
      kept = renew(ended);
      if (kept) return;
      fence.close();
      log::warning("Stopped leading", {{"lease", lease_text()}, {"error", kept.error().describe()}});
      end_work.request_stop();
    });
    Result<void> worked = work(end_work.get_token());
    renewing.request_stop();
    renewing.join();
    leading.store(false);
    master.set(0);
    fence.close();
    if (kept) release();
    if (!worked && end_work.stop_requested()) return {};
    return worked;
  }

  /// After the work has ended: nobody has to wait for the Lease to run out.
  void release() {
    for (int tries = 0; tries < kReleaseTries; ++tries) {
      const Result<void> given = write(election.release(clock.wall_now()), {});
      if (given) {
        log::info("Released the lease", {{"lease", lease_text()}});
        return;
      }
      if (given.error().code != ErrorCode::kConflict || !read({}) || !election.is_held_by_us()) {
        tell_error("Could not release the lease: another process waits until it has run out", given.error());
        return;
      }
    }
  }

  const Options options;
  kubernetes::ApiClient& client;
  LeaseFence& fence;
  Clock& clock;
  Election election;
  Gauge& master;
  Counter& slow_path;
  std::minstd_rand random{std::random_device{}()};
  int refusals = 0;  // in a row, of rights that are missing
  SteadyTime watch_not_before{};
  std::string told;
  std::string told_error;
  std::atomic<bool> leading{false};
  std::atomic<SteadyTime::rep> last_valid{0};
};

LeaderElection::LeaderElection(Options options, kubernetes::ApiClient& client, LeaseFence& fence, Clock& clock,
                               MetricsRegistry& metrics)
    : impl_(std::make_unique<Impl>(std::move(options), client, fence, clock, metrics)) {}
LeaderElection::~LeaderElection() = default;

Duration LeaderElection::request_time(const LeaseTiming& timing) {
  return (timing.renew_deadline - timing.retry_period) / 2;
}

Result<void> LeaderElection::run(std::stop_token stop, const std::function<Result<void>(std::stop_token)>& lead) {
  log::info("Waiting for leadership", {{"lease", impl_->lease_text()}, {"identity", impl_->options.identity}});
  while (impl_->acquire(stop)) {
    if (Result<void> led = impl_->lead(stop, lead); !led || stop.stop_requested()) return led;
  }
  return {};
}

Result<void> LeaderElection::fresh() const {
  const SteadyTime until{Duration(impl_->last_valid.load())};
  const Duration late = impl_->clock.steady_now() - until;
  if (!impl_->leading.load() || late <= impl_->options.tolerance) return {};
  return fail(ErrorCode::kDeadlineExceeded,
              "the lease " + impl_->lease_text() + " ran out " +
                  std::to_string(std::chrono::duration_cast<std::chrono::seconds>(late).count()) +
                  " s ago, but the work that it covers has not ended");
}

}  // namespace imageclassifier::runtime
