#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/json_scan.hpp"
#include "operator/kubernetes/child_process.hpp"
#include "operator/kubernetes/cpprest_transport.hpp"
#include "operator/kubernetes/watch_decoder.hpp"
#include "tests/integration/api_server.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace imageclassifier;
using namespace imageclassifier::kubernetes;
using namespace imageclassifier::testing;
using namespace std::chrono_literals;

namespace {

const GroupVersionResource kConfigMaps{"", "v1", "configmaps"};
const GroupVersionResource kServiceAccounts{"", "v1", "serviceaccounts"};

std::string config_map(const std::string& name, const std::string& data, const std::string& more_metadata = "") {
  return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name + "\"" + more_metadata +
         R"(},"data":)" + data + "}";
}

struct Lines final : LineSink {
  std::vector<std::string> seen;
  std::size_t enough = 1;
  bool on_line(std::string_view line) override {
    seen.emplace_back(line);
    return seen.size() < enough;
  }
};

ClientConfig through(const TcpProxy& proxy) {
  ClientConfig config = control_plane_config();
  config.server = "https://127.0.0.1:" + std::to_string(proxy.port());
  return config;
}

/// A token of the namespace's service account "default", by TokenRequest.
std::string request_token(ApiServer& server, const std::string& namespace_name) {
  REQUIRE(eventually([&] {
    return server.client->get(kServiceAccounts, {namespace_name, "default"}, {}).has_value();
  }));
  Request request{
      Method::kPost,
      "/api/v1/namespaces/" + namespace_name + "/serviceaccounts/default/token",
      {{"Content-Type", "application/json"}},
      R"({"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":600}})"};
  const auto answer = server.client->execute(request, {});
  REQUIRE(answer);
  REQUIRE(answer->status == 201);
  return find_string(answer->body, {"status", "token"});
}

/// The kubectl that was built with the control plane, else the one in PATH.
std::string kubectl_program() {
  const char* cache = std::getenv("IC_CACHE");
  const char* home = std::getenv("HOME");
  const std::filesystem::path tools = cache ? std::filesystem::path(cache) / "tools"
                                            : std::filesystem::path(home ? home : "") / ".cache/imageclassifier/tools";
  std::error_code ignored;
  for (const auto& folder : std::filesystem::directory_iterator(tools, ignored)) {
    if (std::filesystem::exists(folder.path() / "kubectl")) return folder.path() / "kubectl";
  }
  const char* path = std::getenv("PATH");
  return find_program("kubectl", path ? path : "");
}

ClientConfig without_certificate() {
  ClientConfig config = control_plane_config();
  config.tls.client_certificate_pem.clear();
  config.tls.client_key_pem = Secret();
  return config;
}

}  // namespace

TEST_CASE("server-side apply creates, changes and drops fields, keeps foreign ones, and names conflicts") {
  ApiServer server;
  TestNamespace space(server);
  const ObjectName object{space.name(), "settings"};
  const ApplyOptions ours{.field_manager = "ours"};
  const auto created =
      server.client->apply(kConfigMaps, object, config_map("settings", R"({"a":"1","b":"1"})"), ours, {});
  REQUIRE(created);
  CHECK(created->created);
  const auto foreign = server.client->apply(kConfigMaps, object, config_map("settings", R"({"c":"9"})"),
                                            {.field_manager = "theirs"}, {});
  REQUIRE(foreign);
  CHECK_FALSE(foreign->created);
  const auto changed = server.client->apply(kConfigMaps, object, config_map("settings", R"({"a":"2"})"), ours, {});
  REQUIRE(changed);
  CHECK(find_string(changed->body, {"data", "a"}) == "2");
  CHECK_FALSE(find_path(changed->body, {"data", "b"}));
  CHECK(find_string(changed->body, {"data", "c"}) == "9");
  const auto again = server.client->apply(kConfigMaps, object, config_map("settings", R"({"a":"2"})"), ours, {});
  REQUIRE(again);
  CHECK(again->resource_version == changed->resource_version);
  const auto conflict = server.client->apply(kConfigMaps, object, config_map("settings", R"({"c":"1"})"),
                                             {.field_manager = "ours", .force = false}, {});
  REQUIRE_FALSE(conflict);
  CHECK(conflict.error().code == ErrorCode::kConflict);
}

TEST_CASE("an apply that carries the uid does not bring a deleted object back") {
  ApiServer server;
  TestNamespace space(server);
  const ObjectName object{space.name(), "settings"};
  const auto made = server.client->create(kConfigMaps, space.name(), config_map("settings", "{}"), "ours", {});
  REQUIRE(made);
  const auto twice = server.client->create(kConfigMaps, space.name(), config_map("settings", "{}"), "ours", {});
  REQUIRE_FALSE(twice);
  CHECK(twice.error().code == ErrorCode::kAlreadyExists);
  const auto wrong = server.client->remove(kConfigMaps, object, {.uid = "another"}, {});
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == ErrorCode::kConflict);
  REQUIRE(server.client->remove(kConfigMaps, object, {.uid = made->uid}, {}));
  const auto apply =
      server.client->apply(kConfigMaps, object, config_map("settings", "{}", ",\"uid\":\"" + made->uid + "\""),
                           {.field_manager = "ours"}, {});
  REQUIRE_FALSE(apply);
  CHECK(apply.error().code == ErrorCode::kConflict);
  CHECK(server.client->get(kConfigMaps, object, {}).error().code == ErrorCode::kNotFound);
}

TEST_CASE("an object that the server finds invalid is kInvalidArgument with its sentence") {
  ApiServer server;
  TestNamespace space(server);
  const auto made = server.client->create(kConfigMaps, space.name(), config_map("Bad_Name", "{}"), "ours", {});
  REQUIRE_FALSE(made);
  CHECK(made.error().code == ErrorCode::kInvalidArgument);
  CHECK_THAT(made.error().message, Catch::Contains("metadata.name"));
}

TEST_CASE("a service account's token authenticates; what it may not do is kPermissionDenied") {
  ApiServer admin;
  TestNamespace space(admin);
  TemporaryFolder folder;
  const std::string path = folder.path() / "token";
  std::ofstream(path) << request_token(admin, space.name());
  ClientConfig config = without_certificate();
  config.token_file = path;
  ApiServer server(config);
  const auto refused = server.client->get(kConfigMaps, {space.name(), "x"}, {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kPermissionDenied);
  CHECK_THAT(refused.error().message, Catch::Contains("system:serviceaccount:" + space.name() + ":default"));
}

TEST_CASE("a refused token leads to a new look at its file within the same call") {
  ApiServer admin;
  TestNamespace space(admin);
  TemporaryFolder folder;
  const std::string path = folder.path() / "token";
  std::ofstream(path) << "not.a.token";
  ClientConfig config = without_certificate();
  config.token_file = path;
  ApiServer server(config);
  const auto before = server.client->get(kConfigMaps, {space.name(), "x"}, {});
  REQUIRE_FALSE(before);
  CHECK(before.error().code == ErrorCode::kUnauthenticated);
  CHECK_THAT(before.error().describe(), !Catch::Contains("not.a.token"));
  std::ofstream(path) << request_token(admin, space.name());
  const auto after = server.client->get(kConfigMaps, {space.name(), "x"}, {});
  REQUIRE_FALSE(after);
  CHECK(after.error().code == ErrorCode::kPermissionDenied);
}

TEST_CASE("tokens of TokenRequest are swapped in their file while requests go on; a missing file changes nothing") {
  ApiServer admin;
  TestNamespace space(admin);
  TemporaryFolder folder;
  const std::string path = folder.path() / "token";
  const auto put = [&](const std::string& token) {
    std::ofstream(path + ".new") << token;
    std::filesystem::rename(path + ".new", path);
  };
  put(request_token(admin, space.name()));
  ClientConfig config = without_certificate();
  config.token_file = path;
  ApiServer server(config);
  server.tokens = make_token_source(config, server.clock, {.read_file_every = 1ms});
  ApiClient client(*server.transport, *server.tokens, server.clock, server.metrics, {});
  for (int round = 0; round < 5; ++round) {
    const auto answer = client.get(kConfigMaps, {space.name(), "x"}, {});
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::kPermissionDenied);
    if (round == 1) std::filesystem::remove(path);
    if (round >= 2) put(request_token(admin, space.name()));
  }
}

TEST_CASE("a merged KUBECONFIG says what kubectl says of it") {
  TemporaryFolder folder;
  const auto write = [&](const std::string& name, const std::string& text) {
    std::ofstream(folder.path() / name) << text;
    return (folder.path() / name).string();
  };
  const std::string first = write("a", R"(
clusters: [{name: c, cluster: {server: "https://first", tls-server-name: one, insecure-skip-tls-verify: true}}]
contexts: [{name: m, context: {cluster: c, user: u}}]
users: [{name: u, user: {token: a}}]
)");
  const std::string second = write("b", R"(
current-context: m
clusters: [{name: c, cluster: {server: "https://second"}}, {name: d, cluster: {server: "https://d", insecure-skip-tls-verify: true}}]
contexts: [{name: m, context: {cluster: d, namespace: later}}, {name: x, context: {cluster: d, user: v, namespace: team}}]
users: [{name: u, user: {token: b}}, {name: v, user: {username: nick, password: pass}}]
)");
  const std::string third = write("c", "current-context: x\n");
  // An index, because each run has a folder of its own.
  const int order = GENERATE(0, 1, 2);
  const std::string list = order == 0   ? first + ":/nonexistent/x:" + second + ":" + third
                           : order == 1 ? second + ":" + first
                                        : write("empty", "") + ":" + third + ":" + first + ":" + second;
  const std::string kubectl = kubectl_program();
  if (kubectl.empty()) FAIL("kubectl is neither built nor in PATH");
  const auto shown = run_child({.program = kubectl,
                                .args = {"config", "view", "--raw", "--minify", "-o", "json"},
                                .environment = {{"KUBECONFIG", list}}});
  REQUIRE(shown);
  INFO(shown->output << shown->errors);
  REQUIRE(shown->exit_code == 0);
  const auto entry = [&](const char* members, const char* member) {
    std::string text;
    for_each_element(find_path(shown->output, {members}).value_or("[]"), [&](std::string_view value) {
      text = find_path(value, {member}).value_or("");
      return false;
    });
    return text;
  };
  const auto config = load_client_config({.environment = [&](const std::string& name) {
    return name == "KUBECONFIG" ? std::optional(list) : std::nullopt;
  }});
  REQUIRE(config);
  CHECK(config->server == find_string(entry("clusters", "cluster"), {"server"}));
  CHECK(config->tls.server_name == find_string(entry("clusters", "cluster"), {"tls-server-name"}));
  CHECK(config->token.reveal() == find_string(entry("users", "user"), {"token"}));
  CHECK(config->username == find_string(entry("users", "user"), {"username"}));
  const std::string space = find_string(entry("contexts", "context"), {"namespace"});
  CHECK(config->default_namespace == (space.empty() ? "default" : space));
}

TEST_CASE("impersonation is what the server sees") {
  ApiServer admin;
  TestNamespace space(admin);
  ClientConfig config = control_plane_config();
  config.impersonation = {"jane", "", {"somebody"}, {}};
  ApiServer server(config);
  const auto refused = server.client->get(kConfigMaps, {space.name(), "x"}, {});
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("User \"jane\" cannot get"));
}

TEST_CASE("a server whose CA is not the configured one is refused") {
  ClientConfig config = control_plane_config();
  // A valid certificate that signed nothing.
  config.tls.ca_pem = config.tls.client_certificate_pem;
  ApiServer server(config);
  const auto answer = server.transport->send({Method::kGet, "/readyz", {}, {}}, server.clock.steady_now() + 10s, {});
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == ErrorCode::kUnauthenticated);
}

TEST_CASE("the server's name is verified; tls-server-name replaces it, insecure-skip-tls-verify ignores it") {
  ClientConfig config = control_plane_config();
  const auto status = [&]() -> Result<int> {
    ApiServer server(config);
    const auto answer = server.transport->send({Method::kGet, "/readyz", {}, {}}, server.clock.steady_now() + 10s, {});
    if (!answer) return fail(answer.error());
    return answer->status;
  };
  CHECK(status() == 200);
  config.tls.server_name = "another.example";
  REQUIRE_FALSE(status());
  CHECK(status().error().code == ErrorCode::kUnauthenticated);
  config.tls.insecure_skip_verify = true;
  CHECK(status() == 200);
  config.tls.insecure_skip_verify = false;
  config.tls.server_name = "kubernetes.default.svc";
  CHECK(status() == 200);
}

TEST_CASE("a list at a version of the future is told so by cause") {
  ApiServer server;
  const auto answer = server.transport->send(list_request(kConfigMaps, "default", {.resource_version = "999999999"}),
                                             server.clock.steady_now() + 20s, {});
  REQUIRE(answer);
  CHECK(is_too_large_resource_version(status_of(answer->status, answer->headers, answer->body)));
}

TEST_CASE("a quiet watch ends by silence, a half-dead connection too") {
  TcpProxy proxy(control_plane_port());
  ApiServer admin;
  ApiServer server(through(proxy));
  TestNamespace space(admin);
  const auto listed = server.client->execute(list_request(kConfigMaps, space.name(), {}), {});
  REQUIRE(listed);
  const auto page = decode_list(listed->body, [](auto) {});
  REQUIRE(page);
  const Request watch = watch_request(kConfigMaps, space.name(), {.resource_version = page->resource_version});
  Lines lines;
  lines.enough = 100;
  const auto quiet = server.client->watch(watch, lines, 500ms, {});
  REQUIRE(quiet);
  CHECK(quiet->cause == StreamEnd::Cause::kIdleTimeout);
  proxy.freeze(true);
  const auto frozen = server.client->watch(watch, lines, 500ms, {});
  REQUIRE_FALSE(frozen);
  CHECK(frozen.error().code == ErrorCode::kDeadlineExceeded);
}

TEST_CASE("a request through a frozen connection ends at its deadline, and with a stop") {
  TcpProxy proxy(control_plane_port());
  ApiServer server(through(proxy), {.request_timeout = 500ms});
  REQUIRE(server.client->execute({Method::kGet, "/readyz", {}, {}}, {}));
  proxy.freeze(true);
  const auto answer = server.client->execute({Method::kGet, "/readyz", {}, {}}, {});
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == ErrorCode::kDeadlineExceeded);
}
