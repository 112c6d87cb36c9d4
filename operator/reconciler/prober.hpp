#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "common/clock.hpp"
#include "operator/kubernetes/transport_options.hpp"
#include "operator/reconciler/observed.hpp"
#include "operator/runtime/object_key.hpp"

namespace imageclassifier::reconciler {

/// What is asked.
struct ProbeTarget {
  std::string url;
  /// PEM of the only certificates that an https server may show, whatever names they hold: a load balancer's address is
  /// seldom one of them, and who has the certificate's key is the server.
  std::string certificates = {};
  std::string inside_url = {};  ///< asked where url cannot be reached: the same Service in the cluster network
  std::string way = {};         ///< stands for all that decides on who reaches url; another one is another address
  friend bool operator==(const ProbeTarget&, const ProbeTarget&) = default;
};

/// The answer of one probe.
struct ProbeResult {
  bool ok = false;
  std::string detail;                     ///< why not, stable
  std::optional<api::ModelStatus> model;  ///< as the server reported it
  bool untrusted = false;                 ///< not ok: the server shows another certificate
  bool inside = false;                    ///< not ok: url cannot be reached, but inside_url answered HTTP 200
  bool forbidden = false;                 ///< not ok: the operator must not connect to what url stands for
};

/// Asks the endpoints from outside the reconcile workers: at once when an address is new or its trigger changes, every
/// 60 s while it answers, sooner while it does not. Three failures in a row make an endpoint unhealthy, one success
/// healthy. An unhealthy endpoint that fails in another way now and then keeps the cause told first: another one is
/// told when it was the only one three times in a row.
///
/// A server may show its certificate's successor before or after it is known here: the former one is trusted until the
/// next change, and the first probe in a row that meets an unknown one calls `on_change`, so that it is looked up anew.
///
/// watch(), forget() and a probe cost O(log n). Thread safe. `probe` runs on the prober's threads; `on_change` too,
/// with no lock held, when a state has changed.
class EndpointProber {
 public:
  using Probe = std::function<ProbeResult(const ProbeTarget& target, std::stop_token stop)>;
  using OnChange = std::function<void(const runtime::ObjectKey&)>;

  struct Options {
    /// At most, started as they are needed. Endpoints that do not answer hold a thread until their time-out: they get
    /// three quarters, so that they do not hold up the others.
    int threads = 32;
    Duration healthy_interval = std::chrono::seconds(60);
    Duration first_retry = std::chrono::seconds(1);  ///< doubles with every failure
    Duration last_retry = std::chrono::seconds(30);
    int failures_to_unhealthy = 3;
  };

  EndpointProber(Options options, Probe probe, OnChange on_change, Clock& clock);
  ~EndpointProber();
  EndpointProber(const EndpointProber&) = delete;
  EndpointProber& operator=(const EndpointProber&) = delete;

  void start();
  /// Joins the threads. Called by the destructor too.
  void stop();

  /// Keep asking this address. Another url starts from unknown; another trigger or certificate asks at once.
  void watch(const runtime::ObjectKey& key, const ProbeTarget& target, const std::string& trigger);
  void forget(const runtime::ObjectKey& key);
  EndpointState state(const runtime::ObjectKey& key) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// GET url + "/readyz": no credentials, no redirects, 5 s, at most 64 KiB of body and 1 MiB of head. Reads the model
/// from the answer. If no connection comes about (with an IP address), or no answer, the same of inside_url. The
/// operator gives endpoint.hpp's may_connect; null, on a person's own machine: any address may be asked.
ProbeResult probe_over_http(const ProbeTarget& target, Clock& clock, std::stop_token stop,
                            bool (*may_connect)(const sockaddr&) = nullptr);
/// The model in the answer of /readyz; nothing if the body is something else.
std::optional<api::ModelStatus> model_in_readiness(const std::string& body);

}  // namespace imageclassifier::reconciler
