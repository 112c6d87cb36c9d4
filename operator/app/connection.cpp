#include "operator/app/connection.hpp"

#include <string>
#include <utility>

#include "common/log.hpp"
#include "operator/kubernetes/fault_plan.hpp"
#include "operator/kubernetes/transport_factory.hpp"

namespace imageclassifier::app {
namespace {

std::unique_ptr<kubernetes::FaultTransport> inject_faults(const std::string& text, kubernetes::Transport& inner,
                                                          Clock& clock) {
  if (text.empty()) return nullptr;
  const auto plan = kubernetes::parse_fault_plan(text);
  if (!plan) return nullptr;  // parse_command_line has refused it
  return std::make_unique<kubernetes::FaultTransport>(inner, *plan, clock, kubernetes::FaultTransport::Options{});
}

}  // namespace

Result<Identity> load_identity(const RunOptions& options, Clock& clock, MetricsRegistry& metrics,
                               std::stop_token stop) {
  auto config = kubernetes::load_client_config(options.client);
  if (!config) return fail(config.error());
  if (kubernetes::drop_credentials_without_tls(*config)) {
    log::warning(
        "The server's URL begins with http://: the credential is not sent, because it would be readable on the way",
        {{"server", kubernetes::host_of(config->server)}, {"config", config->source}});
  }
  auto tls = kubernetes::TlsIdentitySource::make(config->tls, clock, {.metrics = &metrics});
  if (!tls) return fail(tls.error());
  kubernetes::TokenOptions token_options;
  token_options.stop = std::move(stop);
  token_options.certificates = [source = *tls](const std::string& certificate, const Secret& key) {
    return source->set_client_certificate(certificate, key);
  };
  auto tokens = kubernetes::make_token_source(*config, clock, std::move(token_options));
  return Identity{std::move(*config), std::move(*tls), std::move(tokens)};
}

Result<Connection> connect(const RunOptions& options, const Identity& identity,
                           kubernetes::ApiClient::Options client_options, Clock& clock, MetricsRegistry& metrics) {
  const kubernetes::TransportKind kind = kubernetes::transport_for(identity.config, options.transport);
  if (kind != options.transport) {
    log::info("The way to the API server needs libcurl: it has an IPv6 literal, a proxy or no TLS",
              {{"transport", kubernetes::to_string(kind)}});
  }
  auto transport = kubernetes::make_transport(identity.config, {.kind = kind}, identity.tls, clock);
  if (!transport) return fail(transport.error());
  Connection connection;
  connection.transport = std::move(*transport);
  connection.faulty = inject_faults(options.faults, *connection.transport, clock);
  kubernetes::Transport& outer = connection.faulty ? *connection.faulty : *connection.transport;
  client_options.host_label = kubernetes::host_of(identity.config.server);
  connection.client =
      std::make_unique<kubernetes::ApiClient>(outer, *identity.tokens, clock, metrics, std::move(client_options));
  return connection;
}

}  // namespace imageclassifier::app
