#include "operator/kubernetes/fault_transport.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "tests/support/fake_clock.hpp"

using namespace imageclassifier;
using namespace imageclassifier::kubernetes;
using namespace std::chrono_literals;
using imageclassifier::testing::FakeClock;

namespace {

/// Answers every request with its number, every stream with ten lines.
class CountingServer final : public Transport {
 public:
  Result<Response> send(const Request&, SteadyTime, std::stop_token) override {
    return Response{200, {}, R"({"number":)" + std::to_string(++requests) + "}"};
  }
  Result<StreamEnd> stream(const Request&, LineSink& sink, Duration, std::stop_token) override {
    ++requests;
    for (int i = 0; i < 10; ++i) {
      if (!sink.on_line("{\"line\":" + std::to_string(i) + "}"))
        return StreamEnd{StreamEnd::Cause::kEndedBySink, 200, {}, {}};
    }
    return StreamEnd{StreamEnd::Cause::kEndOfStream, 200, {}, {}};
  }
  std::atomic<int> requests{0};
};

struct Lines final : LineSink {
  bool on_line(std::string_view line) override {
    all.emplace_back(line);
    return all.size() < limit;
  }
  std::vector<std::string> all;
  std::size_t limit = 1000;
};

struct Rig {
  explicit Rig(const std::string& plan) : faulty(server, *parse_fault_plan(plan), clock, {[this] { ++crashes; }}) {}

  Result<Response> send(Method method = Method::kGet, const std::string& target = "/api/v1/things") {
    return faulty.send({method, target, {}, {}}, clock.steady_now() + 10s, {});
  }
  Result<StreamEnd> stream(std::stop_token stop = {}) {
    return faulty.stream({Method::kGet, "/api/v1/things?watch=1", {}, {}}, lines, 75s, stop);
  }

  CountingServer server;
  FakeClock clock{true};
  int crashes = 0;
  FaultTransport faulty;
  Lines lines;
};

ErrorCode code_of(const Result<Response>& answer) {
  return answer ? ErrorCode::kInternal : answer.error().code;
}

}  // namespace

TEST_CASE("a plan is read from one line, and what is wrong with it is named together with what is possible") {
  const auto plan = parse_fault_plan(
      "seed=18446744073709551615,in-a-row=3,watch@pods=cut:0.25:bytes=20000,"
      "write=status:code=429:retry=2:after=4:times=1,any=latency:ms=5-10");
  REQUIRE(plan);
  CHECK(plan->seed == 18446744073709551615ULL);
  CHECK(plan->in_a_row == 3);
  REQUIRE(plan->rules.size() == 3);
  CHECK(plan->rules[0].part == "pods");
  CHECK(plan->rules[0].probability == 0.25);
  CHECK(plan->rules[0].bytes == 20000);
  CHECK(plan->rules[1].code == 429);
  CHECK(plan->rules[1].retry_after == 2);
  CHECK(plan->rules[1].after == 4);
  CHECK(plan->rules[1].times == 1);
  CHECK(plan->rules[2].least == Duration(5ms));
  CHECK(plan->rules[2].most == Duration(10ms));

  const auto [text, remedy] = GENERATE(table<std::string, std::string>({
      {"", "an example: seed=7"},
      {"seed=7", "an example: seed=7"},
      {"seed=x,any=reset", "whole number"},
      {"head=reset", "one of any, read, get, watch"},
      {"get", "use one of reset, lose"},
      {"get=explode", "use one of reset, lose"},
      {"get=reset:1.5", "between 0 and 1"},
      {"get=reset:nan", "between 0 and 1"},
      {"get=status:code=200", "code=400..599"},
      {"get=latency:ms=9-3", "LEAST-MOST"},
      {"get=reset:pods=3", "times=N"},
      {"post=freeze", "\"freeze\" happens to watches only; select them by watch, read or any"},
      {"any=reset,get@pods=late:ms=5", "fault \"get@pods=late:ms=5\": \"late\" happens to watches only"},
      {"write=drop", "happens to watches only"},
      {"patch=duplicate", "happens to watches only"},
      {"watch=stale", "not to watches; select them by get, read or any"},
  }));
  const auto refused = parse_fault_plan(text);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains(remedy));
}

TEST_CASE("every fault may be asked of all requests, of all reads and where it happens") {
  for (const char* fault : {"reset", "lose", "hold", "status", "stale", "crash-before", "crash-after", "latency", "cut",
                            "freeze", "drop", "duplicate", "late", "garble"}) {
    INFO(fault);
    CHECK(parse_fault_plan(std::string("any=") + fault));
    CHECK(parse_fault_plan(std::string("read=") + fault));
    CHECK((parse_fault_plan(std::string("get=") + fault) || parse_fault_plan(std::string("watch=") + fault)));
  }
}

TEST_CASE("a reset never reaches the server, a lost answer does") {
  Rig reset("any=reset:times=1");
  CHECK(code_of(reset.send(Method::kPost)) == ErrorCode::kUnavailable);
  CHECK(reset.server.requests == 0);
  CHECK(reset.send(Method::kPost));
  Rig lose("any=lose:times=1");
  CHECK(code_of(lose.send(Method::kPost)) == ErrorCode::kUnavailable);
  CHECK(lose.server.requests == 1);
}

TEST_CASE("selectors, parts of the target, after and times choose the requests") {
  Rig rig("patch@/status=reset:after=1:times=1");
  CHECK(rig.send(Method::kPatch, "/x"));
  CHECK(rig.send(Method::kGet, "/x/status"));
  CHECK(rig.send(Method::kPatch, "/x/status"));
  CHECK_FALSE(rig.send(Method::kPatch, "/x/status"));
  CHECK(rig.send(Method::kPatch, "/x/status"));
  CHECK(rig.faulty.injected() == std::map<std::string, std::uint64_t>{{"reset", 1}});

  const auto [selector, get, watch, post] =
      GENERATE(table<std::string, bool, bool, bool>({{"any", true, true, true},
                                                     {"read", true, true, false},
                                                     {"get", true, false, false},
                                                     {"watch", false, true, false},
                                                     {"write", false, false, true},
                                                     {"put", false, false, false}}));
  Rig one(selector + "=reset");
  CHECK(one.send().has_value() != get);
  CHECK(one.stream().has_value() != watch);
  CHECK(one.send(Method::kPost).has_value() != post);
}

TEST_CASE("a made up status is a Status with Retry-After") {
  Rig rig("any=status:code=429:retry=3");
  const auto answer = rig.send();
  REQUIRE(answer);
  CHECK(answer->status == 429);
  CHECK(find_header(answer->headers, "retry-after") == "3");
  CHECK_THAT(answer->body, Catch::Contains(R"("kind":"Status")") && Catch::Contains("TooManyRequests"));
  const auto end = rig.stream();
  REQUIRE(end);
  CHECK(end->cause == StreamEnd::Cause::kRefusedByServer);
  CHECK(end->status == 429);
  CHECK(rig.server.requests == 0);
}

TEST_CASE("a held request lasts until its deadline, a held stream until its idle time-out") {
  Rig rig("any=hold");
  CHECK(code_of(rig.send()) == ErrorCode::kDeadlineExceeded);
  CHECK_FALSE(rig.stream());
  CHECK(rig.clock.waits() == std::vector<Duration>{10s, 75s});
  Rig stopping("any=hold");
  std::stop_source stop;
  stop.request_stop();
  CHECK(stopping.faulty.send({}, stopping.clock.steady_now() + 10s, stop.get_token()).error().code ==
        ErrorCode::kCancelled);
  CHECK(stopping.stream(stop.get_token()).error().code == ErrorCode::kCancelled);
}

TEST_CASE("a stale answer is one that the server gave before") {
  Rig rig("get=stale:after=1");
  CHECK(rig.send()->body == R"({"number":1})");
  CHECK(rig.send(Method::kGet, "/other")->body == R"({"number":2})");
  CHECK(rig.send()->body == R"({"number":3})");  // the first that could be stale is spared
  CHECK(rig.send()->body == R"({"number":1})");
  CHECK(rig.server.requests == 3);
}

TEST_CASE("crash points end the process before or after the nth write") {
  Rig before("write=crash-before:after=1:times=1");
  CHECK(before.send(Method::kPost));
  CHECK(before.send());
  CHECK(before.crashes == 0);
  (void)before.send(Method::kPatch);
  CHECK(before.crashes == 1);
  Rig after("write=crash-after:times=1");
  (void)after.send(Method::kDelete);
  CHECK(after.crashes == 1);
  CHECK(after.server.requests == 1);
}

TEST_CASE("a cut stream delivers the whole lines before a byte and is broken; a frozen one falls silent") {
  Rig cut("seed=5,watch=cut:bytes=100");
  const auto end = cut.stream();
  REQUIRE(end);
  CHECK(end->cause == StreamEnd::Cause::kBroken);
  CHECK(cut.lines.all.size() < 10);
  Rig freeze("seed=5,watch=freeze:bytes=100");
  const auto silent = freeze.stream();
  REQUIRE(silent);
  CHECK(silent->cause == StreamEnd::Cause::kIdleTimeout);
  CHECK(freeze.clock.waits() == std::vector<Duration>{75s});
}

TEST_CASE("lines are dropped, doubled, delayed and garbled") {
  Rig drop("watch=drop:after=2:times=3");
  REQUIRE(drop.stream()->cause == StreamEnd::Cause::kEndOfStream);
  CHECK(drop.lines.all.size() == 7);
  CHECK(drop.lines.all[2] == R"({"line":5})");
  Rig twice("watch=duplicate:times=1");
  (void)twice.stream();
  CHECK(twice.lines.all.size() == 11);
  CHECK(twice.lines.all[0] == twice.lines.all[1]);
  Rig late("watch=late:ms=50:times=2");
  (void)late.stream();
  CHECK(late.clock.waits() == std::vector<Duration>{50ms, 50ms});
  Rig garble("watch=garble:times=1");
  (void)garble.stream();
  CHECK(garble.lines.all.size() == 10);
  CHECK(garble.lines.all[0] != R"({"line":0})");
  Rig body("get=garble");
  CHECK(body.send()->body != R"({"number":1})");
}

TEST_CASE("the reader of a stream may end it") {
  Rig rig("watch=duplicate");
  rig.lines.limit = 3;
  CHECK(rig.stream()->cause == StreamEnd::Cause::kEndedBySink);
  CHECK(rig.lines.all.size() == 3);
}

TEST_CASE("after so many faults in a row a request passes") {
  Rig rig("in-a-row=4,any=reset");
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 4; ++i) CHECK_FALSE(rig.send());
    CHECK(rig.send());
  }
}

TEST_CASE("the seed alone decides, whatever threads send the requests") {
  const auto faults = [](const std::string& seed, bool threads) {
    Rig rig("seed=" + seed + ",any=reset:0.3");
    std::vector<std::string> outcome(4);
    const auto hammer = [&](int which) {
      for (int i = 0; i < 100; ++i) outcome[which] += rig.send(Method::kGet, "/" + std::to_string(which)) ? '.' : 'x';
    };
    if (threads) {
      std::vector<std::jthread> all;
      for (int which = 0; which < 4; ++which) all.emplace_back(hammer, which);
    } else {
      for (int which = 3; which >= 0; --which) hammer(which);
    }
    return outcome;
  };
  CHECK(faults("7", false) == faults("7", true));
  CHECK(faults("7", false) != faults("8", false));
  const auto all = faults("7", true);
  const auto count = std::count(all[0].begin(), all[0].end(), 'x');
  CHECK(count > 10);
  CHECK(count < 60);
}

TEST_CASE("a seed decides the same in every namespace") {
  const auto resets = [](const std::string& space) {
    Rig rig("seed=5,in-a-row=0,any=reset:0.5");
    std::string pattern;
    for (int i = 0; i < 64; ++i) {
      pattern += rig.send(Method::kGet, "/api/v1/namespaces/" + space + "/things") ? '-' : 'x';
    }
    return pattern;
  };
  CHECK(resets("test-1") == resets("test-23456"));
  CHECK(resets("test-1").find_first_of("x") != std::string::npos);
}
