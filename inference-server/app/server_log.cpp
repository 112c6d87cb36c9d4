#include "inference-server/app/server_log.hpp"

#include "common/build_info.hpp"
#include "inference-server/app/application.hpp"
#include "inference-server/protocol/request_context.hpp"

namespace imageclassifier::app {

void log_configuration(const ServeOptions& options) {
  log::info("configuration", {{"version", build_version()},
                              {"model", options.model.model},
                              {"model_sha256", options.model.sha256},
                              {"architecture", options.model.architecture},
                              {"model_name", options.model.name},
                              {"labels", options.model.labels},
                              {"precision", options.model.precision},
                              {"engine", options.model.engine},
                              {"threads", options.model.threads},
                              {"lanes", options.model.lanes},
                              {"top_k", options.model.top_k},
                              {"max_image_pixels", options.model.max_image_pixels},
                              {"max_image_memory", limits_of(options.model).max_memory},
                              {"listen", options.listen},
                              {"max_upload_bytes", options.max_upload_bytes},
                              {"request_timeout", options.request_timeout},
                              {"queue_depth", options.queue_depth},
                              {"drain_delay", options.drain_delay},
                              {"exit_timeout", options.exit_timeout},
                              {"auth_basic_file", options.auth_basic_file},
                              {"auth_bearer_file", options.auth_bearer_file},
                              {"cors_origins", options.cors_origins.size()},
                              {"admin_listen", options.admin_listen},
                              {"tls_certificate", options.tls_certificate},
                              {"tls_key", options.tls_key},
                              {"self_test_image", options.self_test_image},
                              {"self_test_label", options.self_test_label},
                              {"self_test_minimum_score", options.self_test_minimum_score},
                              {"upload_page", options.upload_page}});
}

void log_exchange(const HttpExchange& exchange) {
  const bool quiet = exchange.route == "/healthz" || exchange.route == "/readyz" || exchange.route == "/metrics" ||
                     exchange.route == "/ping" || exchange.route.starts_with("/v2/health/");
  std::string id;
  for (const HttpHeader& header : exchange.response->headers) {
    if (header.name == "X-Request-Id") id = header.value;
  }
  const HttpRequest* request = exchange.request;
  log::write(quiet ? log::Level::kDebug : log::Level::kInfo, "request",
             {{"method", request != nullptr ? request->method : ""},
              {"route", exchange.route},
              {"status", exchange.response->status},
              {"seconds", std::chrono::duration<double>(exchange.duration).count()},
              {"request_id", id},
              {"traceparent", request != nullptr ? protocol::traceparent(*request) : ""},
              {"client_gone", exchange.client_gone}});
}

}  // namespace imageclassifier::app
