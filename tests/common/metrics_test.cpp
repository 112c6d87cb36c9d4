#include "common/metrics.hpp"

#include <catch2/catch.hpp>

using namespace imageclassifier;
using Catch::Matchers::Contains;

TEST_CASE("a series exists at zero from the first time it is asked for") {
  MetricsRegistry metrics;
  metrics.counter("requests_total", "Requests.", {{"code", "200"}});
  CHECK_THAT(metrics.text(), Contains("# HELP requests_total Requests."));
  CHECK_THAT(metrics.text(), Contains("requests_total{code=\"200\"} 0"));
}

TEST_CASE("the same name and labels give the same metric") {
  MetricsRegistry metrics;
  metrics.counter("requests_total", "Requests.").increment();
  metrics.counter("requests_total", "Requests.").increment(2);
  CHECK(metrics.counter("requests_total", "Requests.").value() == 3);
}

TEST_CASE("a histogram counts observations in its buckets") {
  MetricsRegistry metrics;
  Histogram& seconds = metrics.histogram("duration_seconds", "Durations.", {0.1, 1});
  seconds.observe(0.05);
  seconds.observe(5);
  CHECK_THAT(metrics.text(), Contains("duration_seconds_bucket{le=\"0.1\"} 1"));
  CHECK_THAT(metrics.text(), Contains("duration_seconds_count 2"));
}

TEST_CASE("a gauge that was removed is served no more, and begins anew") {
  MetricsRegistry metrics;
  metrics.gauge("end_seconds", "Ends.", {{"name", "pets"}}).set(5);
  metrics.gauge("end_seconds", "Ends.", {{"name", "dogs"}}).set(6);
  metrics.remove_gauge("end_seconds", {{"name", "pets"}});
  metrics.remove_gauge("end_seconds", {{"name", "cats"}});
  CHECK_THAT(metrics.text(), !Contains("pets") && Contains("end_seconds{name=\"dogs\"} 6"));
  CHECK(metrics.gauge("end_seconds", "Ends.", {{"name", "pets"}}).value() == 0);
}

TEST_CASE("process metrics are read when the text is asked for") {
  MetricsRegistry metrics;
  metrics.export_process_metrics();
  metrics.text();
  CHECK(metrics.gauge("process_resident_memory_bytes", "Resident memory size in bytes.").value() > 1e6);
  CHECK(metrics.gauge("process_open_fds", "Number of open file descriptors.").value() >= 3);
  CHECK(metrics.gauge("process_start_time_seconds", "").value() > 1.7e9);
}

TEST_CASE("an update runs before every text until its handle is gone") {
  MetricsRegistry metrics;
  Gauge& age = metrics.gauge("age_seconds", "Age.");
  auto handle = metrics.before_text([&] { age.add(1); });
  metrics.text();
  CHECK_THAT(metrics.text(), Contains("age_seconds 2"));
  handle.reset();
  CHECK_THAT(metrics.text(), Contains("age_seconds 2"));
}
