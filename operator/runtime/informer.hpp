#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/clock.hpp"
#include "common/metrics.hpp"
#include "common/result.hpp"
#include "operator/kubernetes/api_client.hpp"
#include "operator/runtime/resource_watch.hpp"
#include "operator/runtime/store.hpp"

namespace imageclassifier::runtime {

/// Keeps a Store<T> equal to a collection of the API server (one thread: list, then watch, see reflector.hpp) and tells
/// handlers of every change.
///
///   Informer<Deployment> deployments(client, {.resource = kDeployments, .selectors = {.labels = "..."}},
///                                    decode_deployment, clock, metrics);
///   deployments.add_handler([&](const Change<Deployment>& change) { queue.add(...); });
///   deployments.start();
///
/// Handlers run on the informer's thread, one change after the other, after the store holds the change; they must be
/// quick and must not throw. Add them before start(). An object that `decode` refuses is logged once per uid and
/// version and left out (an earlier version of it is dropped from the store).
template <StoredObject T>
class Informer final : private EventSink {
 public:
  using Decode = std::function<Result<T>(std::string_view json)>;
  using Handler = std::function<void(const Change<T>&)>;

  /// References must outlive the informer.
  Informer(kubernetes::ApiClient& client, ResourceWatch::Options options, Decode decode, Clock& clock,
           MetricsRegistry& metrics)
      : decode_(std::move(decode)), watch_(client, std::move(options), *this, clock, metrics) {}

  void add_handler(Handler handler) { handlers_.push_back(std::move(handler)); }
  void start() { watch_.start(); }
  /// Ends the watch and joins its thread; the store keeps its content. Called by the destructor too.
  void stop() { watch_.stop(); }

  /// The first list is in the store and its handlers have run.
  bool has_synced() const { return watch_.has_synced(); }
  bool is_served() const { return watch_.is_served(); }
  /// Everything up to this version is in the store (objects, bookmarks and lists advance it); "" before the first list.
  std::string last_seen_resource_version() const { return watch_.last_seen_resource_version(); }
  const Store<T>& store() const { return store_; }

 private:
  void stage(std::string_view object) override {
    if (auto decoded = decode(object)) staged_.push_back(std::move(decoded));
  }
  void discard() override { staged_.clear(); }
  void commit() override {
    const bool initial = !committed_;
    committed_ = true;
    notify(store_.replace(std::exchange(staged_, {})), initial);
  }
  void upsert(std::string_view object) override {
    if (auto decoded = decode(object)) {
      notify(store_.upsert(std::move(decoded)), false);
    } else if (const auto key = key_in(object)) {
      notify(store_.remove(*key), false);
    }
  }
  void remove(std::string_view object) override {
    if (const auto key = key_in(object)) notify(store_.remove(*key, decode(object)), false);
  }

  std::shared_ptr<const T> decode(std::string_view object) {
    Result<T> decoded = decode_(object);
    if (decoded) return std::make_shared<const T>(std::move(*decoded));
    watch_.report_undecodable(object, decoded.error());
    return nullptr;
  }
  std::size_t size() const override { return store_.size(); }
  void notify(std::vector<Change<T>> changes, bool initial) {
    for (Change<T>& change : changes) {
      change.initial = initial;
      for (const Handler& handler : handlers_) handler(change);
    }
  }

  Decode decode_;
  std::vector<Handler> handlers_;
  Store<T> store_;
  std::vector<std::shared_ptr<const T>> staged_;
  bool committed_ = false;
  ResourceWatch watch_;  // last: its thread must end before the rest goes
};

}  // namespace imageclassifier::runtime
