#include "operator/runtime/resource_watch.hpp"

#include <random>
#include <set>
#include <thread>
#include <utility>
#include <variant>

#include "common/guarded.hpp"
#include "common/json_scan.hpp"
#include "common/log.hpp"
#include "operator/kubernetes/status.hpp"
#include "operator/kubernetes/watch_decoder.hpp"
#include "operator/runtime/reflector.hpp"

namespace imageclassifier::runtime {
namespace {

using kubernetes::Status;
using kubernetes::StreamEnd;
using kubernetes::WatchEvent;
using reflector::Failure;

// Undecodable objects whose logging is remembered; afterwards all is forgotten and may be logged once more.
constexpr std::size_t kMaximumReported = 1000;

constexpr const char* kTooMany = "the server sends more objects of this kind than a cluster can hold";
constexpr int kThinPagesAtOnce = 3;
constexpr Duration kThinPagePause = std::chrono::milliseconds(100);
constexpr Duration kLongestPagePause = std::chrono::seconds(5);

Failure classify(const Status& status) {
  if (kubernetes::is_expired(status)) return Failure::kExpired;
  if (kubernetes::is_too_large_resource_version(status)) return Failure::kTooLargeResourceVersion;
  if (status.code == 429) return Failure::kTooManyRequests;
  if (status.code >= 500) return Failure::kServerError;
  if (status.code == 400 || status.code == 422) return Failure::kNotUnderstood;
  if (status.code == 404) return Failure::kNoSuchKind;
  return Failure::kOther;
}

Failure classify(const Error& error) {
  switch (error.code) {
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded:
      return Failure::kUnreachable;
    case ErrorCode::kDataLoss:
      return Failure::kMalformed;
    case ErrorCode::kTooLarge:
      return Failure::kTooLarge;
    default:
      return Failure::kOther;
  }
}

std::string words_of(const Status& status) {
  std::string words = status.message;
  if (words.empty()) words = "the server answered " + std::to_string(status.code) + " " + status.reason;
  if (status.code == 404) words += "; is this kind installed, for example its CustomResourceDefinition?";
  return words;
}

std::string seconds_of(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count()) + " s";
}

reflector::EventArrived::Type to_reflector(WatchEvent::Type type) {
  using Type = reflector::EventArrived::Type;
  switch (type) {
    case WatchEvent::Type::kAdded:
      return Type::kAdded;
    case WatchEvent::Type::kModified:
      return Type::kModified;
    case WatchEvent::Type::kDeleted:
      return Type::kDeleted;
    default:
      return Type::kBookmark;
  }
}

/// Says every ten seconds that a streaming list has not ended; a server whose etcd sends no progress would keep it open
/// for ever without a word. Lives as long as the list.
class Patience {
 public:
  Patience(Clock& clock, std::string resource, std::string namespace_name)
      : thread_([&clock, resource = std::move(resource),
                 namespace_name = std::move(namespace_name)](const std::stop_token& over) {
          const SteadyTime begin = clock.steady_now();
          while (clock.sleep_for(std::chrono::seconds(10), over)) {
            const std::chrono::duration<double> waited = clock.steady_now() - begin;
            log::warning(
                "Streaming list has not ended yet",
                {{"resource", resource}, {"namespace", namespace_name}, {"seconds", static_cast<int>(waited.count())}});
          }
        }) {}

 private:
  std::jthread thread_;
};

}  // namespace

std::optional<ObjectKey> key_in(std::string_view object) {
  const auto metadata = find_member(object, "metadata");
  if (!metadata) return std::nullopt;
  ObjectKey key{find_string(*metadata, {"namespace"}), find_string(*metadata, {"name"})};
  if (key.name.empty()) return std::nullopt;
  return key;
}

struct ResourceWatch::Impl final : private kubernetes::LineSink {
  Impl(kubernetes::ApiClient& client_in, Options options_in, EventSink& sink_in, Clock& clock_in,
       MetricsRegistry& metrics)
      : client(client_in), options(std::move(options_in)), sink(sink_in), clock(clock_in) {
    const MetricLabels labels = {{"resource", to_string(options.resource)}};
    lists = &metrics.counter("reflector_lists_total", "Lists sent, pages counted singly.", labels);
    watches = &metrics.counter("reflector_watches_total", "Watches opened.", labels);
    events = &metrics.counter("reflector_events_total", "Watch events received, bookmarks included.", labels);
    expired = &metrics.counter("reflector_expired_total", "Versions that the server had forgotten (410).", labels);
    stale = &metrics.counter("reflector_stale_total", "Events passed over and lists refused as older than the cache.",
                             labels);
    bookmark = &metrics.gauge("reflector_last_bookmark_timestamp_seconds",
                              "When the last bookmark came, in seconds since 1970; 0: none yet.", labels);
    undecodable = &metrics.counter("reflector_undecodable_objects_total", "Objects left out of the cache.", labels);
  }

  // ---- the thread ----

  void run(std::stop_token stop_token) {
    stop = std::move(stop_token);
    reflector::Step next = take(reflector::Start{}, nullptr);
    while (next.action && !stop.stop_requested()) {
      next = std::visit([this](const auto& action) { return perform(action); }, *next.action);
    }
  }

  reflector::Step take(const reflector::Input& input, const WatchEvent* event) {
    const reflector::Context context{clock.steady_now(), std::uniform_real_distribution<double>(0, 1)(random)};
    reflector::Step next = reflector::step(state, input, context, options.reflector);
    for (const reflector::StoreEffect effect : next.store) apply(effect, event);
    return next;
  }

  void apply(reflector::StoreEffect effect, const WatchEvent* event) {
    switch (effect) {
      case reflector::StoreEffect::kStagePage:
        return;  // done while the page was read
      case reflector::StoreEffect::kStageEvent:
        sink.stage(event->object);
        ++staged;
        return;
      case reflector::StoreEffect::kStale:
        stale->increment();
        return;
      case reflector::StoreEffect::kDiscard:
        sink.discard();
        return;
      case reflector::StoreEffect::kCommit:
        patience.reset();
        sink.commit();
        break;
      case reflector::StoreEffect::kApplyEvent:
        if (event->type == WatchEvent::Type::kDeleted) {
          sink.remove(event->object);
        } else {
          sink.upsert(event->object);
        }
        break;
      case reflector::StoreEffect::kAdvance:
        break;
    }
    const bool was_served =
        std::exchange(*progress.lock(), {state.resource_version, state.synced, !state.missing}).served;
    if (was_served != !state.missing) tell_served();
  }

  void tell_served() {
    log::info(state.missing ? "A kind is not installed; it is looked for every few seconds" : "A kind is installed now",
              {{"resource", to_string(options.resource)}});
    if (options.served_changed) options.served_changed(!state.missing);
  }

  reflector::Step perform(const reflector::SendList& list) {
    kubernetes::ListOptions request;
    request.selectors = options.selectors;
    request.content = options.content;
    request.resource_version = list.resource_version;
    request.continue_token = list.continue_token;
    request.limit = list.limit;
    lists->increment();
    auto answer = client.execute(list_request(options.resource, options.namespace_name, request), stop);
    if (stop.stop_requested()) return {};
    if (!answer) return list_failed(classify(answer.error()), {}, answer.error().describe());
    if (answer->status >= 300) {
      const Status status = kubernetes::status_of(answer->status, answer->headers, answer->body);
      return list_failed(classify(status), status.retry_after, words_of(status));
    }
    const auto page = kubernetes::decode_list(answer->body, [this](std::string_view item) { sink.stage(item); });
    if (!page) return list_failed(Failure::kMalformed, {}, page.error().message);
    staged = (list.continue_token.empty() ? 0 : staged) + page->items;
    if (staged > options.maximum_objects) return list_failed(Failure::kMalformed, {}, kTooMany);
    if (!pace(*page, list.limit)) return {};
    return take(reflector::PageArrived{page->resource_version, page->continue_token}, nullptr);
  }

  /// A page may be empty and more follow (what was there has been filtered out); a server that goes on like that is not
  /// asked without pause. False: stopped.
  bool pace(const kubernetes::ListPage& page, int limit) {
    const bool thin = !page.continue_token.empty() && page.items < static_cast<std::size_t>(limit) / 2;
    thin_pages = thin ? thin_pages + 1 : 0;
    if (thin_pages <= kThinPagesAtOnce) return true;
    const int doubled = std::min(thin_pages - kThinPagesAtOnce - 1, 16);
    return clock.sleep_for(std::min(kThinPagePause * (1 << doubled), kLongestPagePause), stop);
  }

  reflector::Step list_failed(Failure failure, std::optional<Duration> retry_after, const std::string& why) {
    if (!is_missing(failure)) complain("List failed", why);
    if (failure == Failure::kExpired) expired->increment();
    return take(reflector::ListFailed{failure, retry_after}, nullptr);
  }

  reflector::Step perform(const reflector::OpenWatch& open) {
    kubernetes::WatchOptions request;
    request.selectors = options.selectors;
    request.content = options.content;
    request.resource_version = open.resource_version;
    request.timeout = open.timeout;
    request.send_initial_events = open.send_initial_events;
    watches->increment();
    after_event = {};
    staged = 0;
    if (open.send_initial_events) {
      patience.emplace(clock, to_string(options.resource), options.namespace_name);
    }
    const auto end =
        client.watch(watch_request(options.resource, options.namespace_name, request), *this, open.idle_timeout, stop);
    patience.reset();
    if (stop.stop_requested()) return {};
    // The machine has already decided in the middle of the stream.
    if (after_event.action) return std::exchange(after_event, {});
    if (!end) return watch_failed(classify(end.error()), {}, end.error().describe());
    switch (end->cause) {
      case StreamEnd::Cause::kRefusedByServer: {
        const Status status = kubernetes::status_of(end->status, end->headers, end->body);
        return watch_failed(classify(status), status.retry_after, words_of(status));
      }
      case StreamEnd::Cause::kLineTooLong:
        return watch_failed(Failure::kMalformed, {}, "a line of the watch is too long");
      case StreamEnd::Cause::kIdleTimeout:
        // Everyday life of kinds without a watch cache (events), which get no bookmarks.
        complain("Watch was silent; it is opened anew", "no line within " + seconds_of(open.idle_timeout),
                 log::Level::kDebug);
        return take(reflector::WatchEnded{}, nullptr);
      default:
        return take(reflector::WatchEnded{}, nullptr);
    }
  }

  reflector::Step watch_failed(Failure failure, std::optional<Duration> retry_after, const std::string& why) {
    // History that is compacted away is everyday life of a quiet watch.
    const auto level = failure == Failure::kExpired ? log::Level::kInfo : log::Level::kWarning;
    if (!is_missing(failure)) complain("Watch failed", why, level);
    if (failure == Failure::kExpired) expired->increment();
    return take(reflector::WatchFailed{failure, retry_after}, nullptr);
  }

  bool is_missing(Failure failure) const { return failure == Failure::kNoSuchKind && options.reflector.may_be_missing; }

  reflector::Step perform(const reflector::Pause& pause) {
    if (!clock.sleep_for(pause.length, stop)) return {};
    return take(reflector::PauseOver{}, nullptr);
  }

  bool on_line(std::string_view line) override {
    events->increment();
    const auto event = kubernetes::decode_watch_event(line);
    if (!event) {
      after_event = watch_failed(Failure::kMalformed, {}, event.error().message);
    } else if (event->type == WatchEvent::Type::kError) {
      after_event = watch_failed(classify(event->status), event->status.retry_after, words_of(event->status));
    } else {
      if (event->type == WatchEvent::Type::kBookmark) {
        bookmark->set(std::chrono::duration<double>(clock.wall_now().time_since_epoch()).count());
      }
      after_event =
          take(reflector::EventArrived{to_reflector(event->type), event->resource_version, event->initial_events_end},
               &*event);
      if (staged > options.maximum_objects) after_event = watch_failed(Failure::kMalformed, {}, kTooMany);
      if (sink.size() > options.maximum_objects) after_event = watch_failed(Failure::kOther, {}, kTooMany);
    }
    return !after_event.action && !stop.stop_requested();
  }

  void complain(const char* message, const std::string& why, log::Level level = log::Level::kWarning) const {
    log::write(level, message,
               {{"resource", to_string(options.resource)},
                {"namespace", options.namespace_name},
                {"resourceVersion", state.resource_version},
                {"error", why}});
  }

  struct Progress {
    std::string resource_version;
    bool synced = false;
    bool served = true;
  };

  kubernetes::ApiClient& client;
  const Options options;
  EventSink& sink;
  Clock& clock;
  Counter* lists;
  Counter* watches;
  Counter* events;
  Counter* expired;
  Counter* stale;
  Counter* undecodable;
  Gauge* bookmark;

  // of the watch's thread
  std::stop_token stop;
  std::mt19937_64 random{std::random_device{}()};
  reflector::State state;
  reflector::Step after_event;
  std::set<std::string> reported;
  std::optional<Patience> patience;
  int thin_pages = 0;      // in a row
  std::size_t staged = 0;  // of the content that is arriving

  Guarded<Progress> progress;
  std::jthread thread;  // last: it uses all the rest
};

ResourceWatch::ResourceWatch(kubernetes::ApiClient& client, Options options, EventSink& sink, Clock& clock,
                             MetricsRegistry& metrics)
    : impl_(std::make_unique<Impl>(client, std::move(options), sink, clock, metrics)) {}
ResourceWatch::~ResourceWatch() {
  stop();
}

void ResourceWatch::start() {
  impl_->thread = std::jthread([impl = impl_.get()](std::stop_token stop) { impl->run(std::move(stop)); });
}

void ResourceWatch::stop() {
  impl_->thread.request_stop();
  if (impl_->thread.joinable()) impl_->thread.join();
}

bool ResourceWatch::has_synced() const {
  return impl_->progress.lock()->synced;
}

bool ResourceWatch::is_served() const {
  return impl_->progress.lock()->served;
}

std::string ResourceWatch::last_seen_resource_version() const {
  return impl_->progress.lock()->resource_version;
}

void ResourceWatch::report_undecodable(std::string_view object, const Error& error) {
  const auto metadata = find_member(object, "metadata").value_or(std::string_view());
  const std::string version = find_string(metadata, {"resourceVersion"});
  const std::string uid = find_string(metadata, {"uid"});
  if (impl_->reported.size() >= kMaximumReported) impl_->reported.clear();
  if (!impl_->reported.insert(uid + "/" + version).second) return;
  impl_->undecodable->increment();
  const auto key = key_in(object);
  log::warning("Object left out of the cache because it could not be read",
               {{"resource", to_string(impl_->options.resource)},
                {"object", key ? to_string(*key) : std::string()},
                {"error", error.describe()}});
}

}  // namespace imageclassifier::runtime
