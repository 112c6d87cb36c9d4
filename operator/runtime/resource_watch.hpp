#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.hpp"
#include "common/metrics.hpp"
#include "common/result.hpp"
#include "operator/kubernetes/api_client.hpp"
#include "operator/kubernetes/request.hpp"
#include "operator/runtime/object_key.hpp"
#include "operator/runtime/reflector.hpp"

namespace imageclassifier::runtime {

/// Where a ResourceWatch puts what it learns: raw JSON objects, on the watch's thread. stage() any number of times,
/// then commit() (take the staged objects as the whole content) or discard().
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void stage(std::string_view object) = 0;
  virtual void commit() = 0;
  virtual void discard() = 0;
  virtual void upsert(std::string_view object) = 0;
  virtual void remove(std::string_view object) = 0;
  /// How many objects the content has, without those that are staged.
  virtual std::size_t size() const = 0;
};

/// metadata.namespace and metadata.name of a JSON object, or nothing.
std::optional<ObjectKey> key_in(std::string_view object);

/// The thread around the reflector's state machine: performs its lists, watches and pauses. Knows no type.
class ResourceWatch {
 public:
  struct Options {
    kubernetes::GroupVersionResource resource = {};
    std::string namespace_name = {};  ///< "": all namespaces
    kubernetes::Selectors selectors = {};
    kubernetes::Content content = kubernetes::Content::kWhole;
    reflector::Options reflector = {};  ///< page size, time-outs, back-off
    /// Told on the watch's thread when a kind that may be missing goes or comes: the content is committed by then.
    std::function<void(bool served)> served_changed = {};
    /// Of one content, while it arrives and while a watch adds to it: several times of what a cluster can hold (150,000
    /// pods). A server that sends more without end would fill the memory.
    std::size_t maximum_objects = 500'000;
  };

  /// References must outlive the watch.
  ResourceWatch(kubernetes::ApiClient& client, Options options, EventSink& sink, Clock& clock,
                MetricsRegistry& metrics);
  ~ResourceWatch();
  ResourceWatch(const ResourceWatch&) = delete;
  ResourceWatch& operator=(const ResourceWatch&) = delete;

  void start();
  void stop();
  bool has_synced() const;
  /// False while the server is known not to serve the kind.
  bool is_served() const;
  std::string last_seen_resource_version() const;
  /// Logs and counts an object that the sink could not decode; once per object version.
  void report_undecodable(std::string_view object, const Error& error);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::runtime
