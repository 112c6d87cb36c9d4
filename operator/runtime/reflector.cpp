#include "operator/runtime/reflector.hpp"

#include <algorithm>
#include <utility>

#include "operator/runtime/write_barrier.hpp"

namespace imageclassifier::runtime::reflector {
namespace {

using Phase = State::Phase;

Duration scaled(Duration duration, double factor) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::nano>(duration) * factor);
}

class Stepper {
 public:
  Stepper(State& state, const Context& context, const Options& options)
      : state_(state), context_(context), options_(options) {}

  Step operator()(const Start&) { return state_.phase == Phase::kNew ? content() : Step(); }

  Step operator()(const PageArrived& page) {
    if (state_.phase != Phase::kListing) return {};
    // A list's version is that of its first page.
    if (state_.first_page_version.empty()) state_.first_page_version = page.resource_version;
    if (!page.continue_token.empty()) {
      return {{StoreEffect::kStagePage}, SendList{"", page.continue_token, page_size()}};
    }
    if (is_stale_content(state_.first_page_version)) return stale_content();
    committed(state_.first_page_version);
    Step next = watch();
    next.store = {StoreEffect::kStagePage, StoreEffect::kCommit};
    return next;
  }

  Step operator()(const ListFailed& failed) {
    if (state_.phase != Phase::kListing) return {};
    if (is_missing(failed.failure)) return missing();
    const bool refused_version =
        failed.failure == Failure::kExpired || failed.failure == Failure::kTooLargeResourceVersion;
    const bool later_page = !state_.first_page_version.empty();
    Step next;
    if (failed.failure == Failure::kTooLarge && state_.whole_list) {
      state_.whole_too_large = true;
      next = list();
    } else if (failed.failure == Failure::kExpired && later_page && !state_.whole_too_large) {
      next = whole_list();
    } else if (failed.failure == Failure::kTooLarge) {
      state_.page_size = std::max(page_size() / 2, 1);
      next = pause(true, failed.retry_after);
    } else if (refused_version && !state_.version_unavailable) {
      state_.version_unavailable = true;
      next = list();
    } else {
      next = pause(true, failed.retry_after);
    }
    next.store = {StoreEffect::kDiscard};
    return next;
  }

  Step operator()(const EventArrived& event) {
    if (state_.phase == Phase::kStreaming) return streamed(event);
    if (state_.phase != Phase::kWatching) return {};
    const bool bookmark = event.type == EventArrived::Type::kBookmark;
    // The same version may come again: etcd lets objects that expire together go in one revision.
    const int newer = compare_resource_versions(event.resource_version, state_.resource_version);
    if (newer < 0) return {{StoreEffect::kStale}, std::nullopt};
    state_.event_seen = state_.event_seen || newer > 0;
    state_.failed_watches = 0;
    state_.resource_version = event.resource_version;
    return {{bookmark ? StoreEffect::kAdvance : StoreEffect::kApplyEvent}, std::nullopt};
  }

  Step operator()(const WatchFailed& failed) {
    if (state_.phase != Phase::kStreaming && state_.phase != Phase::kWatching) return {};
    if (is_missing(failed.failure)) return missing();
    if (state_.phase == Phase::kStreaming) return stream_failed(failed);
    switch (failed.failure) {
      case Failure::kExpired:
        // Once at once; a server that forgets again and again is not asked for everything without pause.
        if (context_.now - state_.content_at >= options_.fresh_content) state_.expired_watches = 0;
        return ++state_.expired_watches == 1 ? content() : pause(true, failed.retry_after);
      case Failure::kTooManyRequests:
      case Failure::kUnreachable:
        return pause(false, failed.retry_after);
      case Failure::kTooLargeResourceVersion:
      case Failure::kServerError:
      case Failure::kMalformed:
      case Failure::kTooLarge:
        return pause(++state_.failed_watches >= options_.failures_before_list, failed.retry_after);
      case Failure::kNotUnderstood:
      case Failure::kNoSuchKind:
      case Failure::kOther:
        return pause(true, failed.retry_after);
    }
    return pause(true, failed.retry_after);
  }

  Step operator()(const WatchEnded&) {
    if (state_.phase == Phase::kStreaming) return stream_failed({Failure::kUnreachable, std::nullopt});
    if (state_.phase != Phase::kWatching) return {};
    const bool brief = context_.now - state_.watch_opened < options_.short_watch;
    state_.brief_watches = brief ? state_.brief_watches + 1 : 0;
    const bool fruitless = !state_.event_seen || state_.brief_watches > options_.brief_watches;
    return brief && fruitless ? pause(false, std::nullopt) : watch();
  }

  Step operator()(const PauseOver&) {
    if (state_.phase != Phase::kPausing) return {};
    return state_.list_after_pause ? content() : watch();
  }

 private:
  /// The whole content, in the way that this server knows.
  Step content() { return options_.stream_list && !state_.stream_refused && !state_.list_next ? stream() : list(); }

  void committed(const std::string& version) {
    state_.resource_version = version;
    state_.content_at = context_.now;
    state_.page_size = 0;
    state_.version_unavailable = false;
    state_.synced = true;
    state_.missing = false;
    state_.list_next = false;
    state_.stale_lists = 0;
  }

  bool is_missing(Failure failure) const { return failure == Failure::kNoSuchKind && options_.may_be_missing; }

  /// Not with the growing pauses of failures: nothing is wrong, and the kind is wanted soon after it is there.
  Step missing() {
    committed("");
    state_.missing = true;
    state_.phase = Phase::kPausing;
    state_.list_after_pause = true;
    return {{StoreEffect::kDiscard, StoreEffect::kCommit},
            Pause{scaled(options_.missing_pause, 1.0 + context_.random)}};
  }

  int page_size() const { return state_.page_size > 0 ? state_.page_size : options_.page_size; }

  bool is_stale_content(const std::string& version) const {
    return state_.synced && compare_resource_versions(version, state_.resource_version) < 0 &&
           state_.stale_lists < options_.stale_lists_before_trust;
  }
  Step stale_content() {
    ++state_.stale_lists;
    state_.version_unavailable = true;  // the newest state cannot be older than what is known
    Step next = pause(true, std::nullopt);
    next.store = {StoreEffect::kStale, StoreEffect::kDiscard};
    return next;
  }

  Step stream() {
    Step next = watch();
    state_.phase = Phase::kStreaming;
    auto& open = std::get<OpenWatch>(*next.action);
    open.resource_version.clear();
    open.send_initial_events = true;
    return next;
  }

  Step streamed(const EventArrived& event) {
    if (event.type == EventArrived::Type::kAdded) return {{StoreEffect::kStageEvent}, std::nullopt};
    if (event.type == EventArrived::Type::kBookmark) {
      if (!event.initial_events_end) return {};
      if (is_stale_content(event.resource_version)) return stale_content();
      state_.phase = Phase::kWatching;
      committed(event.resource_version);
      state_.event_seen = true;
      state_.failed_watches = 0;
      return {{StoreEffect::kCommit}, std::nullopt};
    }
    return stream_failed({Failure::kMalformed, std::nullopt});
  }

  /// Whatever is wrong with a streaming list, a plain one comes next; a server that is away or busy is left in peace
  /// first.
  Step stream_failed(const WatchFailed& failed) {
    Step next;
    state_.list_next = true;
    if (failed.failure == Failure::kUnreachable || failed.failure == Failure::kTooManyRequests) {
      next = pause(true, failed.retry_after);
    } else {
      state_.stream_refused = failed.failure == Failure::kNotUnderstood;
      next = list();
    }
    next.store = {StoreEffect::kDiscard};
    return next;
  }

  Step list() {
    state_.phase = Phase::kListing;
    state_.first_page_version.clear();
    const bool newest = state_.version_unavailable || state_.whole_too_large;
    state_.list_version = newest ? "" : state_.resource_version;
    // With a version and without a limit the watch cache can answer; the newest state is read page by page.
    state_.whole_list = !state_.list_version.empty();
    return {{}, SendList{state_.list_version, "", state_.whole_list ? 0 : page_size()}};
  }

  Step whole_list() {
    state_.first_page_version.clear();
    state_.whole_list = true;
    return {{}, SendList{state_.list_version, "", 0}};
  }

  Step watch() {
    state_.phase = Phase::kWatching;
    state_.watch_opened = context_.now;
    state_.event_seen = false;
    OpenWatch open;
    open.resource_version = state_.resource_version;
    const auto share = std::chrono::duration<double>(options_.watch_timeout) * context_.random;
    open.timeout = options_.watch_timeout + std::chrono::duration_cast<std::chrono::seconds>(share);
    open.idle_timeout = options_.idle_timeout + scaled(options_.idle_jitter, context_.random);
    return {{}, open};
  }

  Step pause(bool then_list, std::optional<Duration> at_least) {
    state_.phase = Phase::kPausing;
    state_.list_after_pause = then_list;
    const bool quiet = context_.now - state_.last_backoff >= options_.backoff_reset;
    if (state_.backoff == Duration::zero() || quiet) state_.backoff = options_.backoff_base;
    const Duration length =
        std::max(scaled(state_.backoff, 1.0 + context_.random), at_least.value_or(Duration::zero()));
    state_.backoff = std::min(state_.backoff * 2, options_.backoff_cap);
    state_.last_backoff = context_.now + length;
    return {{}, Pause{length}};
  }

  State& state_;
  const Context& context_;
  const Options& options_;
};

}  // namespace

Step step(State& state, const Input& input, const Context& context, const Options& options) {
  return std::visit(Stepper(state, context, options), input);
}

}  // namespace imageclassifier::runtime::reflector
