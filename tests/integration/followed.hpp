#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "operator/kubernetes/fault_transport.hpp"
#include "operator/runtime/informer.hpp"
#include "tests/integration/api_server.hpp"
#include "tests/operator/runtime/thing.hpp"

namespace imageclassifier::testing {

inline const kubernetes::GroupVersionResource kConfigMaps{"", "v1", "configmaps"};
inline const std::string kFollowedLabel = "app=followed";

Result<testing_types::Thing> decode_thing(std::string_view json);
/// A ConfigMap with the label above.
std::string config_map(const std::string& name, const std::string& value);
/// Its new version.
std::string apply_config_map(ApiServer& server, const std::string& space, const std::string& name,
                             const std::string& value);
/// uid -> resourceVersion of the labelled ConfigMaps, as the server lists them.
std::map<std::string, std::string> listed(ApiServer& server, const std::string& space);

/// When a request came in and when it was over, in seconds since 1970.
struct Span {
  double begin, end;
};
/// Events of the API server's audit log, completed ones, of this user agent and verb: the request URIs, and when they
/// were. `log`: its name in state.json.
std::vector<std::string> audited(const std::string& agent, const std::string& verb,
                                 const std::string& log = "auditLog");
std::vector<Span> audited_spans(const std::string& agent, const std::string& verb);

/// A cache of the labelled ConfigMaps of a namespace behind a FaultTransport, with a user agent of its own.
struct Followed {
  /// `faults` as for --inject-faults, "" for none.
  Followed(const std::string& space, const std::string& faults, runtime::reflector::Options options,
           const kubernetes::ClientConfig& config = control_plane_config(),
           Duration request_timeout = std::chrono::seconds(30), kubernetes::TlsReloadOptions tls = {});

  std::map<std::string, std::string> cached() const;
  double counted(const std::string& name) const;
  std::uint64_t injected(const std::string& fault) const;

  std::string agent;
  ApiServer direct;
  kubernetes::FaultTransport faulty;
  kubernetes::ApiClient client;
  mutable runtime::Informer<testing_types::Thing> informer;
};

/// Short pauses, so that a test is quick; lists, so that the audit log tells them from watches.
runtime::reflector::Options quick();

}  // namespace imageclassifier::testing
