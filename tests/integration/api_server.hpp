#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.hpp"
#include "common/metrics.hpp"
#include "operator/kubernetes/api_client.hpp"
#include "operator/kubernetes/client_config.hpp"
#include "operator/kubernetes/tls_identity_source.hpp"
#include "operator/kubernetes/transport_options.hpp"

namespace imageclassifier::testing {

/// Configuration of the control plane that the fixture `control_plane` started (IC_CONTROL_PLANE); fails the test
/// without it.
kubernetes::ClientConfig control_plane_config();
/// The same with another server.
kubernetes::ClientConfig control_plane_config(const std::string& url);
/// state.json of the control plane, as text.
std::string control_plane_state(const std::string& key);
/// Port of the API server.
int control_plane_port();

/// Lines of an API server's audit log that hold all of these texts. `log`: its name in state.json.
std::vector<std::string> audit_lines(const std::vector<std::string>& texts, const std::string& log = "auditLog");
/// The transport that IC_TRANSPORT names (default: cpprest).
kubernetes::TransportKind transport_kind();

/// A client of the control plane with all that it needs, over the transport that IC_TRANSPORT names (default: cpprest).
struct ApiServer {
  explicit ApiServer(const kubernetes::ClientConfig& config = control_plane_config(),
                     kubernetes::ApiClient::Options options = {}, kubernetes::TlsReloadOptions tls = {});

  SystemClock clock;
  MetricsRegistry metrics;
  std::unique_ptr<kubernetes::Transport> transport;
  std::unique_ptr<kubernetes::TokenSource> tokens;
  std::unique_ptr<kubernetes::ApiClient> client;
};

/// A namespace of its own for a test; deletion is asked for at the end.
class TestNamespace {
 public:
  explicit TestNamespace(ApiServer& server);
  ~TestNamespace();
  const std::string& name() const { return name_; }

 private:
  ApiServer& server_;
  std::string name_;
};

/// Waits until `condition` holds, at most 30 s; false if it never did.
bool eventually(const std::function<bool()>& condition, std::chrono::seconds at_most = std::chrono::seconds(30));

}  // namespace imageclassifier::testing
