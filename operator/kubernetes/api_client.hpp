#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "common/clock.hpp"
#include "common/metrics.hpp"
#include "common/result.hpp"
#include "operator/kubernetes/request.hpp"
#include "operator/kubernetes/token_source.hpp"
#include "operator/kubernetes/transport.hpp"
#include "operator/kubernetes/watch_decoder.hpp"
#include "operator/kubernetes/write_fence.hpp"

namespace imageclassifier::kubernetes {

/// An object as the server answered it.
struct ObjectReply {
  std::string body;              ///< JSON
  std::string resource_version;  ///< metadata.resourceVersion, for the write barrier
  std::string uid;
  bool created = false;  ///< HTTP 201
};

/// Talks to one API server: adds credentials, retries what is safe to retry, turns refusals into Errors, counts
/// (rest_client_requests_total, rest_client_request_duration_seconds). Thread safe; calls block the caller.
///
/// Retries, within the time-out of the call: GET after a lost connection; GET, PUT, PATCH and DELETE after 429 or 5xx
/// with Retry-After (at most 10 tries); any verb once after 401 with a newer token. POST is repeated after 429 only,
/// never after it may have been carried out. A read whose last try runs out of time ends with the refusal before it.
/// Warning headers are logged once per text.
///
/// Errors: see error_code() in status.hpp and Transport. The message holds the server's sentence.
class ApiClient {
 public:
  struct Options {
    Duration request_timeout = std::chrono::seconds(30);  ///< whole call, retries included
    int max_tries = 10;
    std::string user_agent = "imageclassifier-operator";
    std::string host_label = {};  ///< label `host` of the metrics: host:port of the server
    /// With it, a request other than GET is sent only while it allows writes, and ends when it says: kUnavailable. Must
    /// outlive the client.
    WriteFence* fence = nullptr;
  };

  /// All references must outlive the client.
  ApiClient(Transport& transport, TokenSource& tokens, Clock& clock, MetricsRegistry& metrics, Options options);
  ~ApiClient();
  ApiClient(const ApiClient&) = delete;
  ApiClient& operator=(const ApiClient&) = delete;

  Result<ObjectReply> get(const GroupVersionResource& resource, const ObjectName& object, std::stop_token stop);
  Result<ObjectReply> create(const GroupVersionResource& resource, std::string_view namespace_name, std::string body,
                             std::string_view field_manager, std::stop_token stop);
  Result<ObjectReply> update(const GroupVersionResource& resource, const ObjectName& object, std::string body,
                             std::string_view field_manager, std::stop_token stop);
  Result<ObjectReply> apply(const GroupVersionResource& resource, const ObjectName& object, std::string body,
                            const ApplyOptions& options, std::stop_token stop);
  Result<ObjectReply> apply_status(const GroupVersionResource& resource, const ObjectName& object, std::string body,
                                   const ApplyOptions& options, std::stop_token stop);
  Result<ObjectReply> patch(const GroupVersionResource& resource, const ObjectName& object, PatchType type,
                            std::string body, std::string_view field_manager, std::stop_token stop);
  /// Named `remove` because `delete` is a keyword. kNotFound when it was gone already.
  Result<void> remove(const GroupVersionResource& resource, const ObjectName& object, const DeleteOptions& options,
                      std::stop_token stop);

  /// One page of a list; `visit` gets each item as JSON. kDataLoss as well if the answer is no list.
  Result<ListPage> list(const GroupVersionResource& resource, std::string_view namespace_name,
                        const ListOptions& options, const std::function<void(std::string_view item)>& visit,
                        std::stop_token stop);

  /// Any request; the answer's status is not looked at (but retried as above).
  Result<Response> execute(Request request, std::stop_token stop);
  /// As Transport::stream, with credentials. Nothing is repeated: the reflector decides.
  Result<StreamEnd> watch(Request request, LineSink& sink, Duration idle_timeout, std::stop_token stop);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imageclassifier::kubernetes
