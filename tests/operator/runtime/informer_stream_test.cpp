// The whole content by a stream: what readers of the cache see meanwhile, and what is said when it does not end.
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "common/guarded.hpp"
#include "common/json_scan.hpp"
#include "operator/runtime/informer.hpp"
#include "tests/operator/runtime/thing.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/no_token.hpp"

using namespace imageclassifier;
using namespace imageclassifier::runtime;
using namespace std::chrono_literals;
using imageclassifier::testing::FakeClock;
using imageclassifier::testing::NoToken;
using kubernetes::StreamEnd;
using testing_types::Thing;

namespace {

constexpr int kObjects = 60;

Result<Thing> decode_thing(std::string_view json) {
  return Thing{{find_string(json, {"metadata", "namespace"}), find_string(json, {"metadata", "name"}),
                find_string(json, {"metadata", "uid"}), find_string(json, {"metadata", "resourceVersion"}), ""},
               find_string(json, {"value"})};
}

/// Streams generation after generation of the same objects, a line now and then, and ends each with 410.
class SlowServer final : public kubernetes::Transport {
 public:
  explicit SlowServer(int generations) : generations_(generations) {}

  Result<kubernetes::Response> send(const kubernetes::Request&, SteadyTime, std::stop_token) override {
    return fail(ErrorCode::kInternal, "no list is expected");
  }
  Result<StreamEnd> stream(const kubernetes::Request&, kubernetes::LineSink& sink, Duration,
                           std::stop_token stop) override {
    const int generation = ++generation_;
    const std::string version = std::to_string(generation * 1000);
    for (int i = 0; i < kObjects && generation <= generations_; ++i) {
      const std::string line = R"({"type":"ADDED","object":{"metadata":{"namespace":"ns","name":"n)" +
                               std::to_string(i) + R"(","uid":"u","resourceVersion":")" + version + R"("},"value":")" +
                               std::to_string(generation) + R"("}})";
      if (!sink.on_line(line)) return StreamEnd{StreamEnd::Cause::kEndedBySink, 200, {}, {}};
      std::this_thread::yield();
    }
    if (generation > generations_) {
      finished = true;
      std::condition_variable_any never;
      std::mutex mutex;
      std::unique_lock lock(mutex);
      never.wait(lock, stop, [] { return false; });
      return fail(ErrorCode::kCancelled, "stopped");
    }
    sink.on_line(R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":")" + version +
                 R"(","annotations":{"k8s.io/initial-events-end":"true"}}}})");
    sink.on_line(R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"m"}})");
    return StreamEnd{StreamEnd::Cause::kEndedBySink, 200, {}, {}};
  }

  std::atomic<bool> finished{false};

 private:
  const int generations_;
  std::atomic<int> generation_{0};
};

}  // namespace

TEST_CASE("no reader ever sees half of a streamed content or two contents mixed") {
  SystemClock clock;
  MetricsRegistry metrics;
  SlowServer server(20);
  NoToken tokens;
  kubernetes::ApiClient client(server, tokens, clock, metrics, {});
  ResourceWatch::Options options;
  options.resource = {"example.com", "v1", "things"};
  options.namespace_name = "ns";
  options.reflector.backoff_base = 1ms;
  options.reflector.backoff_cap = 2ms;
  Informer<Thing> informer(client, options, decode_thing, clock, metrics);
  std::atomic<int> looks{0}, wrong{0};
  {
    std::vector<std::jthread> readers;
    for (int reader = 0; reader < 2; ++reader) {
      readers.emplace_back([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
          const bool synced = informer.has_synced();  // asked first: the content may come in between
          const auto things = informer.store().list();
          const bool whole = things.size() == kObjects || (things.empty() && !synced);
          const bool same = std::all_of(things.begin(), things.end(),
                                        [&](const auto& thing) { return thing->value == things.front()->value; });
          wrong += !whole || !same;
          ++looks;
        }
      });
    }
    informer.start();
    while (!server.finished) std::this_thread::yield();
  }
  informer.stop();
  CHECK(wrong == 0);
  CHECK(looks > 0);
  CHECK(informer.store().size() == kObjects);
  CHECK(metrics.counter("reflector_expired_total", "", {{"resource", "things.example.com"}}).value() == 20);
}

TEST_CASE("while a streaming list does not end, somebody waits on the clock to say so, and stops with the watch") {
  FakeClock clock;
  MetricsRegistry metrics;
  SlowServer server(0);  // no object and no mark
  NoToken tokens;
  kubernetes::ApiClient client(server, tokens, clock, metrics, {});
  ResourceWatch::Options options;
  options.resource = {"example.com", "v1", "things"};
  Informer<Thing> informer(client, options, decode_thing, clock, metrics);
  informer.start();
  for (int i = 0; i < 3; ++i) {
    clock.wait_for_waiters(1);
    clock.advance(10s);
  }
  clock.wait_for_waiters(1);
  informer.stop();
  CHECK_FALSE(informer.has_synced());
}
