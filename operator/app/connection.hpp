#pragma once

#include <memory>
#include <stop_token>

#include "common/clock.hpp"
#include "common/metrics.hpp"
#include "common/result.hpp"
#include "operator/app/options.hpp"
#include "operator/kubernetes/api_client.hpp"
#include "operator/kubernetes/client_config.hpp"
#include "operator/kubernetes/fault_transport.hpp"
#include "operator/kubernetes/tls_identity_source.hpp"
#include "operator/kubernetes/token_source.hpp"
#include "operator/kubernetes/transport.hpp"

namespace imageclassifier::app {

/// Who this process is to the API server; shared by all its connections. Movable.
struct Identity {
  kubernetes::ClientConfig config;
  std::shared_ptr<kubernetes::TlsIdentitySource> tls;
  std::unique_ptr<kubernetes::TokenSource> tokens;
};

/// Reads `options.client`. Errors: those of load_client_config and TlsIdentitySource::make.
Result<Identity> load_identity(const RunOptions& options, Clock& clock, MetricsRegistry& metrics, std::stop_token stop);

/// A client with a pool of connections of its own.
struct Connection {
  std::unique_ptr<kubernetes::Transport> transport;
  std::unique_ptr<kubernetes::FaultTransport> faulty;  ///< in front of it with --inject-faults, else null
  std::unique_ptr<kubernetes::ApiClient> client;
};

/// References must outlive the result. `client_options.host_label` is filled in. Errors: those of make_transport.
Result<Connection> connect(const RunOptions& options, const Identity& identity,
                           kubernetes::ApiClient::Options client_options, Clock& clock, MetricsRegistry& metrics);

}  // namespace imageclassifier::app
