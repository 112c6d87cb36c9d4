#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace imageclassifier {

using MetricLabels = std::map<std::string, std::string>;

/// Monotonic count. Thread safe; valid as long as its MetricsRegistry.
class Counter {
 public:
  virtual ~Counter() = default;
  virtual void increment(double by = 1.0) = 0;
  virtual double value() const = 0;
};

/// A value that goes up and down. Thread safe; valid as long as its MetricsRegistry.
class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void set(double value) = 0;
  virtual void add(double delta) = 0;
  virtual double value() const = 0;
};

/// Observations in buckets, in the metric's base unit (seconds, bytes). Thread safe; valid as long as its registry.
class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void observe(double value) = 0;
};

/// All metrics of one program in the Prometheus data model; `text()` is the exposition format 0.0.4. Thread safe.
/// Asking again for the same name and labels gives the same metric. A series exists, at zero, from the first call on:
/// ask for every series with a closed set of labels at start. Each program names its metrics in one file.
class MetricsRegistry {
 public:
  MetricsRegistry();
  ~MetricsRegistry();
  MetricsRegistry(const MetricsRegistry&) = delete;
  MetricsRegistry& operator=(const MetricsRegistry&) = delete;

  Counter& counter(std::string_view name, std::string_view help, const MetricLabels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const MetricLabels& labels = {});
  /// From now on this gauge is not served any more, and references to it are dangling. For what comes and goes with an
  /// object.
  void remove_gauge(std::string_view name, const MetricLabels& labels);
  /// `upper_bounds` ascending, without +Inf.
  Histogram& histogram(std::string_view name, std::string_view help, const std::vector<double>& upper_bounds,
                       const MetricLabels& labels = {});

  /// Adds process_cpu_seconds_total, process_{resident,virtual}_memory_bytes, process_{open,max}_fds,
  /// process_start_time_seconds and process_threads, read from /proc/self whenever text() is called.
  void export_process_metrics();

  /// `update` runs at the beginning of every text(), for values that are cheaper to read than to keep: it may set
  /// metrics, but not ask for new ones. It is taken back, and does not run any more, when the handle is destroyed.
  [[nodiscard]] std::shared_ptr<void> before_text(std::function<void()> update);

  std::string text() const;
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier
