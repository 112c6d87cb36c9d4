#include "operator/runtime/event_recorder.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/operator/runtime/events.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_transport.hpp"
#include "tests/support/no_token.hpp"

using namespace imageclassifier;
using namespace imageclassifier::runtime;
using namespace std::chrono_literals;
using imageclassifier::testing::FakeClock;
using imageclassifier::testing::FakeTransport;
using imageclassifier::testing::NoToken;
using nlohmann::json;
using testing_types::note;

namespace {

/// Answers every request alike, after `hold` was released or the request stopped.
class Server final : public kubernetes::Transport {
 public:
  explicit Server(bool holding) : holding_(holding) {}

  Result<kubernetes::Response> send(const kubernetes::Request&, SteadyTime, std::stop_token stop) override {
    std::unique_lock lock(mutex_);
    ++requests_;
    changed_.notify_all();
    changed_.wait(lock, stop, [&] { return !holding_; });
    if (holding_) return fail(ErrorCode::kCancelled, "stopped");
    return kubernetes::Response{201, {}, "{}"};
  }
  Result<kubernetes::StreamEnd> stream(const kubernetes::Request&, kubernetes::LineSink&, Duration,
                                       std::stop_token) override {
    return fail(ErrorCode::kInternal, "no streams here");
  }
  void release() {
    std::lock_guard hold(mutex_);
    holding_ = false;
    changed_.notify_all();
  }
  void wait_for(int requests) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return requests_ >= requests; });
  }
  int requests() {
    std::lock_guard hold(mutex_);
    return requests_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool holding_;
  int requests_ = 0;
};

EventRecorder::Options options_of() {
  EventRecorder::Options options;
  options.source = {"thing-controller", "thing-controller-host"};
  return options;
}

const std::string kEvents = "/apis/events.k8s.io/v1/namespaces/zoo/events";
const std::string kCreate = "POST " + kEvents + "?fieldManager=thing-controller";
const std::string kPatch = "PATCH " + kEvents + "/pets.18867251edfa0000?fieldManager=thing-controller";

std::string refusal(int code, const std::string& reason, const std::string& cause = "") {
  json status = {{"kind", "Status"}, {"code", code}, {"reason", reason}, {"message", "no"}};
  if (!cause.empty()) status["details"]["causes"] = {{{"reason", cause}}};
  return status.dump();
}

/// A recorder in front of a scripted server, in a time that the test moves.
struct Rig {
  Rig() { recorder.start(); }

  double lost(const std::string& reason) {
    return metrics.counter("event_recorder_lost_total", "", {{"reason", reason}}).value();
  }
  double written(const std::string& result) {
    return metrics.counter("event_recorder_writes_total", "", {{"result", result}}).value();
  }
  /// Moves the clock on until the script is used up.
  void pass_time_until_done(Duration step) {
    while (server.finish().size() > 0 && server.requests().size() < 100) {
      clock.wait_for_waiters(1);
      const std::size_t sent = server.requests().size();
      clock.advance(step);
      while (server.requests().size() == sent && !server.finish().empty()) std::this_thread::yield();
    }
  }
  void stop() {
    recorder.stop();
    CHECK(server.finish().empty());
    for (const std::string& problem : server.finish()) WARN(problem);
  }

  FakeClock clock;
  MetricsRegistry metrics;
  FakeTransport server;
  NoToken tokens;
  kubernetes::ApiClient client{server, tokens, clock, metrics, {}};
  EventRecorder recorder{options_of(), client, clock, metrics};
};

}  // namespace

TEST_CASE("an event is created once and its series patched at the second occurrence") {
  Rig rig;
  rig.server.expect(kCreate, 201, "{}").expect(kPatch, 200, "{}");
  for (int i = 0; i < 2; ++i) rig.recorder.record(note("a"));
  rig.server.wait_until_done();
  rig.stop();
  const auto requests = rig.server.requests();
  CHECK(json::parse(requests[0].body)["note"] == "a");
  CHECK(json::parse(requests[1].body)["series"]["count"] == 2);
  CHECK(rig.written("created") == 1);
  CHECK(rig.written("updated") == 1);
}

TEST_CASE("a series whose object has expired is made anew with its count") {
  Rig rig;
  rig.server.expect(kCreate, 201, "{}").expect(kPatch, 404, refusal(404, "NotFound")).expect(kCreate, 201, "{}");
  for (int i = 0; i < 2; ++i) rig.recorder.record(note("a"));
  rig.server.wait_until_done();
  rig.stop();
  CHECK(json::parse(rig.server.requests()[2].body)["series"]["count"] == 2);
}

TEST_CASE("the end of a series is written by itself") {
  Rig rig;
  rig.server.expect(kCreate, 201, "{}").expect(kPatch, 200, "{}").expect(kPatch, 200, "{}");
  for (int i = 0; i < 10; ++i) rig.recorder.record(note("a"));
  rig.pass_time_until_done(6min);
  rig.stop();
  CHECK(json::parse(rig.server.requests()[2].body)["series"]["count"] == 10);
}

TEST_CASE("a lost connection, 429 and 5xx are tried again after ten seconds or more, others go on meanwhile") {
  Rig rig;
  rig.server.expect_error(kCreate, ErrorCode::kUnavailable).expect(kCreate, 201, "{}");
  rig.recorder.record(note("a"));
  rig.recorder.record(note("b"));
  rig.server.wait_until_done();
  CHECK(json::parse(rig.server.requests()[1].body)["note"] == "b");
  rig.server.expect(kCreate, 503, refusal(503, "ServiceUnavailable"));
  rig.server.expect(kCreate, 429, refusal(429, "TooManyRequests"));
  rig.server.expect(kCreate, 409, refusal(409, "AlreadyExists"));
  rig.clock.wait_for_waiters(1);
  rig.clock.advance(9s);
  CHECK(rig.server.requests().size() == 2);
  rig.pass_time_until_done(13s);
  rig.stop();
  CHECK(json::parse(rig.server.requests().back().body)["note"] == "a");
  CHECK(rig.written("created") == 2);
  CHECK(rig.written("failed") == 3);
}

TEST_CASE("after twelve tries an event is given up") {
  Rig rig;
  for (int i = 0; i < 12; ++i) rig.server.expect_error(kCreate, ErrorCode::kUnavailable);
  rig.recorder.record(note("a"));
  rig.pass_time_until_done(13s);
  rig.clock.wait_for_waiters(1);
  rig.clock.advance(1h);
  rig.stop();
  CHECK(rig.server.requests().size() == 12);
  CHECK(rig.lost("tries_exhausted") == 1);
}

TEST_CASE("what the server refuses is not tried again, and counted by why") {
  Rig rig;
  rig.server.expect(kCreate, 403, refusal(403, "Forbidden"));
  rig.server.expect(kCreate, 403, refusal(403, "Forbidden", "NamespaceTerminating"));
  rig.server.expect(kCreate, 404, refusal(404, "NotFound"));
  rig.server.expect(kCreate, 422, refusal(422, "Invalid"));
  rig.server.expect_error(kCreate, ErrorCode::kCancelled);
  for (const char* text : {"a", "b", "c", "d", "e"}) rig.recorder.record(note(text));
  rig.server.wait_until_done();
  rig.clock.wait_for_waiters(1);
  rig.clock.advance(1h);
  rig.stop();
  CHECK(rig.lost("forbidden") == 1);
  CHECK(rig.lost("namespace_deleted") == 2);
  CHECK(rig.lost("refused") == 1);
  CHECK(rig.lost("stopped") == 1);
}

TEST_CASE("a queue that is full loses events and keeps nobody waiting") {
  FakeClock clock;
  MetricsRegistry metrics;
  Server server(true);
  NoToken tokens;
  kubernetes::ApiClient client(server, tokens, clock, metrics, {});
  EventRecorder recorder(options_of(), client, clock, metrics);
  recorder.start();
  recorder.record(note("first"));
  server.wait_for(1);
  for (int i = 0; i < 1500; ++i) {
    Event event = note("a");
    event.regarding.uid = std::to_string(i);
    recorder.record(std::move(event));
  }
  CHECK(metrics.counter("event_recorder_lost_total", "", {{"reason", "queue_full"}}).value() == 500);
  CHECK(metrics.gauge("event_recorder_queue_depth", "").value() == 1000);
  server.release();
  server.wait_for(1001);
  recorder.stop();
  CHECK(server.requests() == 1001);
  CHECK(metrics.gauge("event_recorder_queue_depth", "").value() == 0);
}

TEST_CASE("stopping writes what waits and the last counts") {
  Rig rig;
  rig.server.expect(kCreate, 201, "{}").expect(kPatch, 200, "{}");
  for (int i = 0; i < 2; ++i) rig.recorder.record(note("a"));
  rig.server.wait_until_done();
  rig.recorder.record(note("a"));
  rig.server.expect(kPatch, 200, "{}");
  rig.stop();
  CHECK(json::parse(rig.server.requests().back().body)["series"]["count"] == 3);
  rig.recorder.record(note("b"));
  CHECK(rig.lost("stopped") == 1);
}

TEST_CASE("stopping takes two seconds at most when the server does not answer, and counts what is lost") {
  FakeClock clock;
  MetricsRegistry metrics;
  Server server(true);
  NoToken tokens;
  kubernetes::ApiClient client(server, tokens, clock, metrics, {});
  EventRecorder recorder(options_of(), client, clock, metrics);
  recorder.start();
  for (const char* text : {"a", "b", "c"}) recorder.record(note(text));
  server.wait_for(1);
  std::atomic<bool> stopped = false;
  std::jthread stopper([&] {
    recorder.stop();
    stopped = true;
  });
  clock.wait_for_waiters(1);
  clock.advance(1s);
  CHECK_FALSE(stopped);
  clock.advance(1s);
  stopper.join();
  CHECK(server.requests() == 1);
  CHECK(metrics.counter("event_recorder_lost_total", "", {{"reason", "stopped"}}).value() == 3);
}

TEST_CASE("many threads record while one sends, and every event is written or counted as lost") {
  SystemClock clock;
  MetricsRegistry metrics;
  Server server(false);
  NoToken tokens;
  kubernetes::ApiClient client(server, tokens, clock, metrics, {});
  EventRecorder::Options options = options_of();
  options.queue = 50;
  options.aggregation.burst = 1000;
  EventRecorder recorder(options, client, clock, metrics);
  recorder.start();
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 8; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < 200; ++i) recorder.record(note(std::to_string(thread) + "/" + std::to_string(i)));
      });
    }
  }
  recorder.stop();
  const double created = metrics.counter("event_recorder_writes_total", "", {{"result", "created"}}).value();
  double lost = 0;
  for (const char* reason : {"queue_full", "rate_limited", "stopped"}) {
    lost += metrics.counter("event_recorder_lost_total", "", {{"reason", reason}}).value();
  }
  CHECK(created == server.requests());
  CHECK(created + lost == 1600);
}
