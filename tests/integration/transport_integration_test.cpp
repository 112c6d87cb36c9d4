// What happens to requests on their way to a real API server: answers that are lost, warnings, IPv6.
#include <catch2/catch.hpp>

#include "operator/kubernetes/transport_factory.hpp"
#include "tests/integration/api_server.hpp"
#include "tests/support/captured_log.hpp"
#include "tests/support/scripted_server.hpp"

using namespace imageclassifier;
using namespace imageclassifier::kubernetes;
using namespace imageclassifier::testing;

namespace {

const GroupVersionResource kConfigMaps{"", "v1", "configmaps"};

}  // namespace

TEST_CASE("a create whose answer is lost is sent once, and the object is there") {
  ApiServer server;
  TestNamespace space(server);
  TcpProxy proxy(control_plane_port());
  // Far into the body, so that it is the answer to the create that is lost and nothing of the handshake.
  constexpr std::size_t kBody = 900'000;
  proxy.lose_answer_after(kBody);
  const std::string agent = "once-" + space.name();
  ClientConfig config = control_plane_config();
  config.server = "https://127.0.0.1:" + std::to_string(proxy.port());
  ApiServer unlucky(config, {.user_agent = agent});
  const auto exists = [&](const std::string& name) {
    return server.client->get(kConfigMaps, {space.name(), name}, {}).has_value();
  };
  // A server that is slow to answer the handshake has not read the whole body when its words are lost: then another
  // one.
  int tries = 0, made = 0;
  while (made == 0 && tries < 5) {
    const std::string name = "large-" + std::to_string(++tries);
    const std::string body = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name +
                             R"("},"data":{"x":")" + std::string(kBody, 'x') + "\"}}";
    const auto created = unlucky.client->create(kConfigMaps, space.name(), body, "test", {});
    REQUIRE_FALSE(created);
    CHECK(created.error().code == ErrorCode::kUnavailable);
    made += eventually([&] { return exists(name); }, std::chrono::seconds(5));
  }
  CHECK(made == 1);
  CHECK(proxy.connections() == tries);
  CHECK(static_cast<int>(audit_lines({agent, "\"verb\":\"create\"", "\"stage\":\"ResponseComplete\""}).size()) <=
        tries);
}

TEST_CASE("a warning of the API server is logged once, however often it comes") {
  ApiServer server;
  const CapturedLog log;
  for (int i = 0; i < 3; ++i) {
    const auto answer = server.client->execute({Method::kGet, "/api/v1/componentstatuses", {}, {}}, {});
    REQUIRE(answer);
    REQUIRE(answer->status == 200);
  }
  CHECK(log.count("ComponentStatus is deprecated") == 1);
}

TEST_CASE("a server at an IPv6 literal is asked by libcurl; cpprestsdk refuses it and names the way out") {
  const int port = control_plane_port();
  ScriptedServer door([port](Connection& connection, int) { connection.tunnel(port); }, {.ipv6 = true});
  ClientConfig config = control_plane_config();
  config.server = "https://[::1]:" + std::to_string(door.port());
  config.tls.server_name = "kubernetes.default.svc";
  if (transport_kind() == TransportKind::kCpprest) {
    SystemClock clock;
    const auto refused = make_transport(config, {}, clock);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("--transport=curl") != std::string::npos);
    return;
  }
  ApiServer server(config);
  CHECK(server.client->get(kConfigMaps, {"kube-system", "kube-root-ca.crt"}, {}).has_value());
  CHECK(door.connections() == 1);
}
