#pragma once

#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "common/clock.hpp"
#include "common/guarded.hpp"
#include "operator/kubernetes/api_client.hpp"
#include "operator/reconciler/observed.hpp"
#include "operator/runtime/object_key.hpp"

namespace imageclassifier::reconciler {

/// Reads the events of a pod whose containers are not made for some time: nothing else says why. They are listed for
/// one pod of a resource at a time, ever more seldom, and not watched: the events of all pods would be most of what
/// the operator hears, and the API server has no cache for them. Thread safe for different keys; references must
/// outlive it.
class PodEvents {
 public:
  struct Options {
    Duration patience = std::chrono::seconds(5);      ///< how long a pod is waited for without asking
    Duration first_pause = std::chrono::seconds(10);  ///< between two looks at a pod; doubled with each
    Duration last_pause = std::chrono::seconds(60);
  };
  PodEvents(Options options, kubernetes::ApiClient& client, Clock& clock)
      : options_(options), client_(client), clock_(clock) {}

  /// Fills observed.pod_events. When to look again; nothing if no pod is being created.
  std::optional<Duration> read(Observed& observed, std::stop_token stop);
  void forget(const runtime::ObjectKey& key);

 private:
  struct Entry {
    std::string pod_uid;
    SteadyTime due{};
    Duration pause{};
    std::vector<api::Event> events;
  };
  /// Those of the newest second.
  std::optional<std::vector<api::Event>> list(const api::Pod& pod, std::stop_token stop);

  const Options options_;
  kubernetes::ApiClient& client_;
  Clock& clock_;
  Guarded<std::map<runtime::ObjectKey, Entry>> entries_;
};

}  // namespace imageclassifier::reconciler
