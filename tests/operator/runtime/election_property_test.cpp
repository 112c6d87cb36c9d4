// Three processes, one Lease, and requests that are slow, lost or answered late: a model of everything that decides
// when a process may write, in virtual time.
#include <catch2/catch.hpp>
#include <optional>
#include <random>
#include <vector>

#include "operator/runtime/election.hpp"

using namespace imageclassifier;
using namespace imageclassifier::runtime;
using namespace std::chrono_literals;

namespace {

struct Process {
  explicit Process(const std::string& name) : election(name, {}) {}

  struct Request {
    bool write = false;
    LeaseRecord record;
    std::string based_on;
    SteadyTime sent, at_server, answered;
    bool served = false;
    std::optional<Lease> answer;  // nothing: refused, or there was none
    bool refused = false;
  };
  Election election;
  SteadyTime next{};  // of its next request
  std::optional<Request> request;
  bool closed = false;  // the fence, from before a release until a claim is stored
};

struct World {
  explicit World(std::uint64_t seed) : random(seed) {}

  std::mt19937_64 random;
  SteadyTime now{1000h};
  std::optional<Lease> stored;
  std::uint64_t version = 0;
  std::vector<Process> processes{Process("a"), Process("b"), Process("c")};
  int terms = 0;

  bool chance(double share) { return std::uniform_real_distribution<double>()(random) < share; }
  Duration upto(Duration most) {
    return Duration(std::uniform_int_distribution<Duration::rep>(0, most.count())(random));
  }
  // Mostly milliseconds; sometimes the process or the way to the server stands still.
  Duration delay() { return chance(0.02) ? upto(40s) : chance(0.1) ? upto(4s) : upto(20ms); }

  void send(Process& process) {
    Process::Request request;
    request.write = process.election.may_take(now);
    // Whoever gives the Lease back has stopped writing before.
    const bool release = request.write && process.election.is_held_by_us() && chance(0.05);
    process.closed = process.closed || release;
    request.record =
        release ? process.election.release(WallTime{}) : process.election.claim(WallTime(now.time_since_epoch()));
    if (process.election.lease()) request.based_on = process.election.lease()->resource_version;
    request.sent = now;
    request.at_server = now + delay();
    request.answered = request.at_server + delay();
    process.request = request;
  }

  void serve(Process& process) {
    Process::Request& request = *process.request;
    request.served = true;
    if (!request.write) {
      request.answer = stored;
      return;
    }
    request.refused = request.based_on != (stored ? stored->resource_version : "");
    if (request.refused) return;
    // Whoever else may still write now, must not when this one begins to.
    if (!request.record.holder.empty()) {
      for (Process& other : processes) {
        if (&other == &process || other.closed) continue;
        const auto until = other.election.valid_until();
        INFO(request.record.holder << " takes the lease that " << (stored ? stored->record.holder : "nobody")
                                   << " had");
        REQUIRE((!until || *until <= now));
      }
      terms += !stored || stored->record.holder != request.record.holder;
    }
    stored = Lease{request.record, std::to_string(++version), {}};
    request.answer = stored;
  }

  void answer(Process& process) {
    const Process::Request request = *process.request;
    process.request.reset();
    process.next = now + 2s + upto(200ms);
    if (chance(0.05)) return;  // the answer is lost
    if (request.refused) {
      process.next = now;
      if (stored) process.election.saw(*stored, now);
      return;
    }
    if (request.write) {
      process.election.wrote(*request.answer, request.sent);
      process.closed = request.record.holder.empty();
    } else if (request.answer) {
      process.election.saw(*request.answer, now);
    } else {
      process.election.saw_none();
    }
  }

  void step() {
    SteadyTime soonest = SteadyTime::max();
    Process* whose = nullptr;
    for (Process& process : processes) {
      const SteadyTime due = !process.request           ? std::max(process.next, now)
                             : !process.request->served ? process.request->at_server
                                                        : process.request->answered;
      if (due < soonest) soonest = due, whose = &process;
    }
    now = soonest;
    if (!whose->request) {
      send(*whose);
    } else if (!whose->request->served) {
      serve(*whose);
    } else {
      answer(*whose);
    }
  }
};

}  // namespace

TEST_CASE("never may two of three processes write at once, however slow or lost their requests are") {
  int terms = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    World world(seed);
    for (int i = 0; i < 5000; ++i) world.step();
    terms += world.terms;
  }
  CHECK(terms > 1000);
}
