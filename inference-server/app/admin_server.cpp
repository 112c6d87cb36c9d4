#include "inference-server/app/admin_server.hpp"

#include <arpa/inet.h>

#include "common/log.hpp"

namespace imageclassifier::app {
namespace {

bool is_loopback(const std::string& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace

Result<std::unique_ptr<HttpServer>> start_admin_server(const ServeOptions& options, std::optional<HttpTlsPair> tls,
                                                       protocol::BearerAuth* tokens, protocol::AdminActions actions) {
  if (options.admin_listen.empty()) return nullptr;
  const auto listen = parse_listen(options.admin_listen);
  if (!listen) return fail(listen.error());
  const bool loopback = is_loopback(listen->address);
  if (!loopback && tokens == nullptr) {
    return fail(ErrorCode::kInvalidArgument, "--admin-listen " + options.admin_listen +
                                                 " is not a loopback address: give --admin-token-file as well");
  }
  // While one is busy with a reload, which takes its time, the other one refuses further ones.
  HttpServerOptions http{.address = listen->address, .port = listen->port, .handler_threads = 2};
  http.max_connections = 64;
  if (!loopback) http.tls = std::move(tls);
  const bool secure = http.tls.has_value();
  if (tokens != nullptr) http.admit = [tokens](const HttpRequest& head) { return tokens->holds_token(head); };
  http.refusal_response = protocol::admin_refusal;
  http.observer = [](const HttpExchange& exchange) {
    log::info("admin request", {{"method", exchange.request != nullptr ? exchange.request->method : ""},
                                {"route", exchange.route},
                                {"status", exchange.response->status}});
  };
  auto server = HttpServer::start(std::move(http), protocol::admin_routes(std::move(actions), tokens != nullptr));
  if (!server) return fail(Error(server.error().code, "the admin port cannot be served", server.error()));
  log::info("admin port listening", {{"address", listen->address}, {"admin_port", (*server)->port()}, {"tls", secure}});
  return server;
}

}  // namespace imageclassifier::app
