#include "operator/app/health.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "common/clock.hpp"
#include "tests/support/raw_client.hpp"

using namespace imageclassifier;
using namespace imageclassifier::app;
using namespace std::chrono_literals;
using test::RawClient;

namespace {

struct Rig {
  Rig() {
    RunOptions options;
    options.listen_address = "127.0.0.1";
    options.listen_port = 0;
    HealthChecks checks;
    checks.live.push_back({"workers", [this]() -> Result<void> {
                             if (workers) return {};
                             return fail(ErrorCode::kDeadlineExceeded, "a reconcile runs for 300 s");
                           }});
    checks.live.push_back({"lease", [] { return Result<void>{}; }});
    checks.ready.push_back({"caches", [this]() -> Result<void> {
                              if (caches) return {};
                              return fail(ErrorCode::kUnavailable, "not filled yet");
                            }});
    auto started = serve_health(options, std::move(checks), metrics);
    REQUIRE(started);
    server = std::move(*started);
  }
  std::string ask(const std::string& target) const {
    RawClient client(server->port());
    client.send("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    return client.read_to_end();
  }

  MetricsRegistry metrics;
  std::atomic<bool> workers{true}, caches{true};
  std::unique_ptr<HttpServer> server;
};

/// Status and body.
std::pair<int, std::string> answer(const std::string& response) {
  return {test::status_of(response), test::body_of(response)};
}

using Answer = std::pair<int, std::string>;

}  // namespace

TEST_CASE("health is ok in one word, and one line per check when asked for") {
  const Rig rig;
  CHECK(answer(rig.ask("/healthz")) == Answer(200, "ok"));
  CHECK(answer(rig.ask("/healthz?verbose")) ==
        Answer(200, "[+]ping ok\n[+]workers ok\n[+]lease ok\nhealthz check passed\n"));
  CHECK(answer(rig.ask("/readyz?verbose=1")) == Answer(200, "[+]ping ok\n[+]caches ok\nreadyz check passed\n"));
}

TEST_CASE("a failed check is 500, says why, and leaves the other endpoint alone") {
  Rig rig;
  rig.workers = false;
  CHECK(answer(rig.ask("/healthz")) ==
        Answer(500, "[+]ping ok\n[-]workers failed: a reconcile runs for 300 s\n[+]lease ok\nhealthz check failed\n"));
  CHECK(answer(rig.ask("/readyz")) == Answer(200, "ok"));
  rig.caches = false;
  CHECK(answer(rig.ask("/readyz")) ==
        Answer(500, "[+]ping ok\n[-]caches failed: not filled yet\nreadyz check failed\n"));
  rig.workers = true;
  CHECK(answer(rig.ask("/healthz")) == Answer(200, "ok"));
}

TEST_CASE("a check can be excluded or asked alone; a name that is none is told") {
  Rig rig;
  rig.workers = false;
  CHECK(answer(rig.ask("/healthz?exclude=workers")) == Answer(200, "ok"));
  CHECK(answer(rig.ask("/healthz?verbose&exclude=workers&exclude=lease")) ==
        Answer(200, "[+]ping ok\n[+]workers excluded: ok\n[+]lease excluded: ok\nhealthz check passed\n"));
  CHECK_THAT(answer(rig.ask("/healthz?verbose&exclude=nobody")).second,
             Catch::Contains("warn: no check is named \"nobody\""));
  CHECK(answer(rig.ask("/healthz/lease")) == Answer(200, "ok"));
  CHECK(answer(rig.ask("/healthz/workers")) == Answer(500, "workers failed: a reconcile runs for 300 s\n"));
  CHECK(test::status_of(rig.ask("/healthz/nobody")) == 404);
}

TEST_CASE("metrics are served as text, version 0.0.4") {
  Rig rig;
  rig.metrics.counter("things_total", "Things.").increment();
  const std::string response = rig.ask("/metrics");
  CHECK_THAT(response, Catch::Contains("Content-Type: text/plain; version=0.0.4; charset=utf-8"));
  CHECK_THAT(response, Catch::Contains("things_total 1\n"));
}
