#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/clock.hpp"

/// The reflector as a pure state machine: how a cache is kept equal to a collection by lists and watches, after
/// client-go's tools/cache/reflector.go, without sockets, threads or clocks. ResourceWatch performs what it asks for.
///
///   start -> List page... -> commit -> Watch -> events... -> Watch again from the last version seen, and so on.
///
/// It never lists but at the start and after the server says that the version is gone (410), or after repeated failures
/// that a new list may cure. Versions only grow: an event older than what is known is passed over, an older list is
/// asked for again (versions of one resource are compared as decimal numbers, KEP-5504). With Options::stream_list the
/// whole content comes as the first events of a watch instead (WatchList, KEP-3157), and the list is what it falls back
/// to.
///
/// A kind that the server does not serve (404) is like any failure, unless Options::may_be_missing: then its content is
/// empty until the kind is there.
namespace imageclassifier::runtime::reflector {

/// Why a list or watch failed, as far as the reaction differs.
enum class Failure {
  kExpired,                  ///< 410, Expired, Gone: the version is older than the server's history
  kTooLargeResourceVersion,  ///< the version is newer than what this server has
  kTooManyRequests,          ///< 429
  kServerError,              ///< 5xx
  kUnreachable,              ///< no connection, or lost before an answer
  kMalformed,                ///< the answer makes no sense
  kTooLarge,                 ///< the answer is more than we hold
  kNotUnderstood,            ///< 400, 422: this server does not know what was asked (streaming lists)
  kNoSuchKind,               ///< 404: the server does not serve the kind, or no longer
  kOther                     ///< 401, 403, ...: somebody must repair something
};

// ---- what happens ----

struct Start {};
/// A page of the list in flight arrived; its items are at hand.
struct PageArrived {
  std::string resource_version;
  std::string continue_token;
};
struct ListFailed {
  Failure failure;
  std::optional<Duration> retry_after;
};
struct EventArrived {
  enum class Type { kAdded, kModified, kDeleted, kBookmark };
  Type type;
  std::string resource_version;
  bool initial_events_end = false;  ///< a bookmark that says: the whole content has been sent
};
/// An ERROR event, a line that is no event, or a watch that could not be started.
struct WatchFailed {
  Failure failure;
  std::optional<Duration> retry_after;
};
/// The stream is over without an error of the API: time-out of the server, idle time-out, lost connection.
struct WatchEnded {};
struct PauseOver {};
using Input = std::variant<Start, PageArrived, ListFailed, EventArrived, WatchFailed, WatchEnded, PauseOver>;

// ---- what is to be done ----

/// To the store, before anything else.
enum class StoreEffect {
  kStagePage,   ///< stage the items of the page that just arrived
  kStageEvent,  ///< stage the object of the event
  kStale,       ///< what was staged, or the event, is older than what is known: forget it
  kCommit,      ///< the staged items are the whole content now; State::resource_version is theirs
  kDiscard,     ///< forget what was staged
  kApplyEvent,  ///< upsert or remove the object of the event
  kAdvance      ///< nothing but State::resource_version moved (bookmark)
};
struct SendList {
  std::string resource_version;
  std::string continue_token;
  int limit = 0;
};
struct OpenWatch {
  std::string resource_version;
  std::chrono::seconds timeout{};    ///< asked of the server
  Duration idle_timeout{};           ///< of ours: nothing heard for so long means a dead connection
  bool send_initial_events = false;  ///< the whole content first
};
struct Pause {
  Duration length{};
};
/// At most one; while a watch is open, none means: read on, one means: close it first.
using Action = std::variant<SendList, OpenWatch, Pause>;

struct Options {
  int page_size = 500;
  /// Get the whole content by a watch (WatchList, as client-go does since 1.35), with the list as what any failure
  /// falls back to. It takes no paging, no body of many megabytes, and serves kinds that the API server keeps no watch
  /// cache of (events): their watches get no bookmarks, so an idle one is refused after each compaction.
  bool stream_list = true;
  Duration backoff_base = std::chrono::milliseconds(800);
  Duration backoff_cap = std::chrono::seconds(30);  ///< before jitter, which at most doubles it
  Duration backoff_reset = std::chrono::minutes(2);
  /// A watch that ends sooner without anything new is a failure, or a sick server would be asked without pause; with
  /// something new it is one from the fourth in a row on.
  Duration short_watch = std::chrono::seconds(1);
  int brief_watches = 3;
  /// A version that expires (410) so soon after a whole content came, once more, is a failure.
  Duration fresh_content = std::chrono::seconds(30);
  std::chrono::seconds watch_timeout{300};           ///< at least; plus a random share of the same
  Duration idle_timeout = std::chrono::seconds(75);  ///< more than the minute between bookmarks; plus up to 20 s
  Duration idle_jitter = std::chrono::seconds(20);
  /// A list that is older than what is known is thrown away and asked for again, so that the cache never goes back in
  /// time; after so many in a row it is taken, because only a server restored from a backup goes on like that.
  int stale_lists_before_trust = 6;
  /// So many watches in a row that fail for an unclear reason, without an event between, lead to a new list.
  int failures_before_list = 5;
  bool may_be_missing = false;
  Duration missing_pause =
      std::chrono::seconds(4);  ///< between two looks for a kind that is missing; plus up to the same
};

struct State {
  enum class Phase { kNew, kListing, kStreaming, kWatching, kPausing };
  Phase phase = Phase::kNew;
  std::string resource_version;  ///< everything up to it is known; "" before the first list
  bool synced = false;           ///< a content was committed
  bool missing = false;          ///< the server does not serve the kind: the content is empty

  // the list in flight
  std::string list_version;          ///< version asked for
  std::string first_page_version;    ///< version answered
  bool whole_list = false;           ///< asked without limit
  int page_size = 0;                 ///< smaller than Options::page_size, because a page was too large; 0: that
  bool version_unavailable = false;  ///< the server refused our version: ask for the newest
  bool whole_too_large = false;      ///< the whole list is more than we hold: page by page from then on
  bool stream_refused = false;       ///< the server does not know streaming lists
  bool list_next = false;            ///< the streaming list failed: the content comes by a plain one
  int stale_lists = 0;               ///< thrown away in a row
  SteadyTime content_at{};           ///< when a whole content was committed

  // the watch in flight
  SteadyTime watch_opened{};
  bool event_seen = false;  ///< something new
  int failed_watches = 0;   ///< in a row, without an event
  int brief_watches = 0;    ///< in a row
  int expired_watches = 0;  ///< in a row, each soon after a whole content

  // the pause in flight and the back-off
  bool list_after_pause = false;
  Duration backoff{};  ///< next pause before jitter; zero: the base
  SteadyTime last_backoff{};
};

/// What the outside gives to each step.
struct Context {
  SteadyTime now;
  double random;  ///< uniform in [0, 1)
};

struct Step {
  std::vector<StoreEffect> store;
  std::optional<Action> action;
};

/// Takes one step: changes `state` and says what is to be done. Inputs that make no sense in the phase do nothing.
Step step(State& state, const Input& input, const Context& context, const Options& options);

}  // namespace imageclassifier::runtime::reflector
