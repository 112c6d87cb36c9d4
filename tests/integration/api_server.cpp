#include "tests/integration/api_server.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>

#include "common/json_scan.hpp"
#include "operator/kubernetes/cpprest_transport.hpp"
#include "operator/kubernetes/transport_factory.hpp"

namespace imageclassifier::testing {
namespace {

[[maybe_unused]] const bool kPrepared = (kubernetes::initialize_cpprest_process(), true);

const kubernetes::GroupVersionResource kNamespaces{"", "v1", "namespaces", false};

std::string folder() {
  const char* path = std::getenv("IC_CONTROL_PLANE");
  if (path == nullptr) FAIL("IC_CONTROL_PLANE is not set: run this test through ctest");
  return path;
}

}  // namespace

kubernetes::TransportKind transport_kind() {
  const char* name = std::getenv("IC_TRANSPORT");
  const auto kind = kubernetes::parse_transport_kind(name == nullptr ? "cpprest" : name);
  if (!kind) FAIL("IC_TRANSPORT is neither cpprest nor curl: " << name);
  return *kind;
}

kubernetes::ClientConfig control_plane_config() {
  auto config = kubernetes::load_client_config({.kubeconfig = folder() + "/kubeconfig"});
  if (!config) FAIL(config.error().describe());
  return *config;
}

kubernetes::ClientConfig control_plane_config(const std::string& url) {
  kubernetes::ClientConfig config = control_plane_config();
  config.server = url;
  return config;
}

std::string control_plane_state(const std::string& key) {
  std::ifstream file(folder() + "/state.json");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  return find_string(text, {key});
}

int control_plane_port() {
  const std::string server = control_plane_config().server;
  return std::stoi(server.substr(server.rfind(':') + 1));
}

ApiServer::ApiServer(const kubernetes::ClientConfig& config, kubernetes::ApiClient::Options options,
                     kubernetes::TlsReloadOptions tls) {
  auto identity = kubernetes::TlsIdentitySource::make(config.tls, clock, tls);
  if (!identity) FAIL(identity.error().describe());
  auto made = kubernetes::make_transport(config, {.kind = transport_kind()}, *identity, clock);
  if (!made) FAIL(made.error().describe());
  transport = std::move(*made);
  tokens = kubernetes::make_token_source(config, clock);
  client = std::make_unique<kubernetes::ApiClient>(*transport, *tokens, clock, metrics, std::move(options));
}

std::vector<std::string> audit_lines(const std::vector<std::string>& texts, const std::string& log) {
  std::ifstream file(control_plane_state(log));
  std::vector<std::string> found;
  for (std::string line; std::getline(file, line);) {
    const auto holds = [&](const std::string& text) { return line.find(text) != std::string::npos; };
    if (std::all_of(texts.begin(), texts.end(), holds)) found.push_back(line);
  }
  return found;
}

TestNamespace::TestNamespace(ApiServer& server) : server_(server) {
  name_ = "test-" + std::to_string(std::random_device{}());
  const auto made = server.client->create(
      kNamespaces, "", R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":")" + name_ + R"("}})", "test", {});
  if (!made) FAIL(made.error().describe());
}

TestNamespace::~TestNamespace() {
  (void)server_.client->remove(kNamespaces, {"", name_}, {}, {});
}

bool eventually(const std::function<bool()>& condition, std::chrono::seconds at_most) {
  SystemClock clock;
  const SteadyTime deadline = clock.steady_now() + at_most;
  while (!condition()) {
    if (clock.steady_now() >= deadline) return false;
    clock.sleep_for(std::chrono::milliseconds(10), {});
  }
  return true;
}

}  // namespace imageclassifier::testing
