#include "common/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <sstream>
#include <utility>

namespace imageclassifier {
namespace {

class CounterOf final : public Counter {
 public:
  explicit CounterOf(prometheus::Counter& metric) : metric_(metric) {}
  void increment(double by) override { metric_.Increment(by); }
  double value() const override { return metric_.Value(); }

 private:
  prometheus::Counter& metric_;
};

class GaugeOf final : public Gauge {
 public:
  GaugeOf(prometheus::Family<prometheus::Gauge>& family, prometheus::Gauge& metric)
      : family_(family), metric_(metric) {}
  ~GaugeOf() override { family_.Remove(&metric_); }
  void set(double value) override { metric_.Set(value); }
  void add(double delta) override { metric_.Increment(delta); }
  double value() const override { return metric_.Value(); }

 private:
  prometheus::Family<prometheus::Gauge>& family_;
  prometheus::Gauge& metric_;
};

class HistogramOf final : public Histogram {
 public:
  explicit HistogramOf(prometheus::Histogram& metric) : metric_(metric) {}
  void observe(double value) override { metric_.Observe(value); }

 private:
  prometheus::Histogram& metric_;
};

using Key = std::pair<std::string, MetricLabels>;

struct ProcessSample {
  double resident_bytes = 0, virtual_bytes = 0, cpu_seconds = 0, start_time = 0, threads = 0, open_fds = 0, max_fds = 0;
};

// Field numbers of proc(5), /proc/[pid]/stat.
ProcessSample sample_process() {
  ProcessSample sample;
  std::ifstream stat("/proc/self/stat");
  std::string line((std::istreambuf_iterator<char>(stat)), {});
  std::istringstream rest(line.substr(std::min(line.size(), line.rfind(')') + 2)));
  const std::vector<std::string> fields{std::istream_iterator<std::string>(rest), {}};
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const auto field = [&](std::size_t number) {
    return number - 3 < fields.size() ? std::strtod(fields[number - 3].c_str(), nullptr) : 0.0;
  };
  sample.cpu_seconds = (field(14) + field(15)) / ticks;
  sample.threads = field(20);
  sample.virtual_bytes = field(23);
  sample.resident_bytes = field(24) * static_cast<double>(sysconf(_SC_PAGESIZE));
  std::ifstream boot("/proc/stat");
  for (std::string word; boot >> word;) {
    if (word != "btime") continue;
    double booted = 0;
    boot >> booted;
    sample.start_time = booted + field(22) / ticks;
    break;
  }
  std::error_code ignored;
  for (auto it = std::filesystem::directory_iterator("/proc/self/fd", ignored);
       it != std::filesystem::directory_iterator(); it.increment(ignored)) {
    sample.open_fds += 1;
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) sample.max_fds = static_cast<double>(limit.rlim_cur);
  return sample;
}

}  // namespace

struct MetricsRegistry::Impl {
  mutable std::mutex mutex;
  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
  std::map<Key, std::unique_ptr<Counter>> counters;
  std::map<Key, std::unique_ptr<Gauge>> gauges;
  std::map<Key, std::unique_ptr<Histogram>> histograms;
  std::mutex updates_mutex;
  std::map<int, std::function<void()>> updates;
  int last_update = 0;
  bool process = false;
  Counter* cpu_seconds = nullptr;
  Gauge* resident = nullptr;
  Gauge* virtual_memory = nullptr;
  Gauge* open_fds = nullptr;
  Gauge* max_fds = nullptr;
  Gauge* start_time = nullptr;
  Gauge* threads = nullptr;
};

MetricsRegistry::MetricsRegistry() : impl_(std::make_unique<Impl>()) {}
MetricsRegistry::~MetricsRegistry() = default;

Counter& MetricsRegistry::counter(std::string_view name, std::string_view help, const MetricLabels& labels) {
  std::lock_guard hold(impl_->mutex);
  auto& slot = impl_->counters[Key(name, labels)];
  if (!slot) {
    auto& family = prometheus::BuildCounter().Name(std::string(name)).Help(std::string(help)).Register(impl_->registry);
    slot = std::make_unique<CounterOf>(family.Add(labels));
  }
  return *slot;
}

Gauge& MetricsRegistry::gauge(std::string_view name, std::string_view help, const MetricLabels& labels) {
  std::lock_guard hold(impl_->mutex);
  auto& slot = impl_->gauges[Key(name, labels)];
  if (!slot) {
    auto& family = prometheus::BuildGauge().Name(std::string(name)).Help(std::string(help)).Register(impl_->registry);
    slot = std::make_unique<GaugeOf>(family, family.Add(labels));
  }
  return *slot;
}

void MetricsRegistry::remove_gauge(std::string_view name, const MetricLabels& labels) {
  std::lock_guard hold(impl_->mutex);
  impl_->gauges.erase(Key(name, labels));
}

Histogram& MetricsRegistry::histogram(std::string_view name, std::string_view help,
                                      const std::vector<double>& upper_bounds, const MetricLabels& labels) {
  std::lock_guard hold(impl_->mutex);
  auto& slot = impl_->histograms[Key(name, labels)];
  if (!slot) {
    auto& family =
        prometheus::BuildHistogram().Name(std::string(name)).Help(std::string(help)).Register(impl_->registry);
    slot = std::make_unique<HistogramOf>(family.Add(labels, upper_bounds));
  }
  return *slot;
}

void MetricsRegistry::export_process_metrics() {
  impl_->cpu_seconds = &counter("process_cpu_seconds_total", "User and system CPU time spent, in seconds.");
  impl_->resident = &gauge("process_resident_memory_bytes", "Resident memory size in bytes.");
  impl_->virtual_memory = &gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.");
  impl_->max_fds = &gauge("process_max_fds", "Maximum number of open file descriptors.");
  impl_->open_fds = &gauge("process_open_fds", "Number of open file descriptors.");
  impl_->start_time = &gauge("process_start_time_seconds", "Start time of the process since the Unix epoch.");
  impl_->threads = &gauge("process_threads", "Number of threads.");
  impl_->process = true;
}

std::shared_ptr<void> MetricsRegistry::before_text(std::function<void()> update) {
  std::lock_guard hold(impl_->updates_mutex);
  const int number = ++impl_->last_update;
  impl_->updates.emplace(number, std::move(update));
  return {nullptr, [impl = impl_.get(), number](void*) {
            std::lock_guard again(impl->updates_mutex);
            impl->updates.erase(number);
          }};
}

std::string MetricsRegistry::text() const {
  {
    std::lock_guard hold(impl_->updates_mutex);
    for (const auto& [number, update] : impl_->updates) update();
  }
  if (impl_->process) {
    const ProcessSample sample = sample_process();
    // Under the lock, because two scrapes at once would both add the same difference.
    std::lock_guard hold(impl_->mutex);
    impl_->cpu_seconds->increment(std::max(0.0, sample.cpu_seconds - impl_->cpu_seconds->value()));
    impl_->resident->set(sample.resident_bytes);
    impl_->virtual_memory->set(sample.virtual_bytes);
    impl_->open_fds->set(sample.open_fds);
    impl_->max_fds->set(sample.max_fds);
    impl_->start_time->set(sample.start_time);
    impl_->threads->set(sample.threads);
  }
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace imageclassifier
