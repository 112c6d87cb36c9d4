#include "operator/kubernetes/client_config.hpp"
#include "operator/kubernetes/transport_factory.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>

#include "tests/support/temporary_folder.hpp"

using namespace imageclassifier;
using namespace imageclassifier::kubernetes;

namespace {

struct Rig {
  testing::TemporaryFolder folder;
  std::map<std::string, std::string> variables;
  LoadOptions options;

  Rig() {
    options.service_account_dir = folder.path();
    options.environment = [this](const std::string& name) -> std::optional<std::string> {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
  }
  std::string write(const std::string& name, const std::string& text) {
    const auto path = folder.path() / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path;
  }
  Result<ClientConfig> load() { return load_client_config(options); }
  Result<ClientConfig> load(const std::string& yaml) {
    options.kubeconfig = write("config", yaml);
    return load();
  }
};

// "Q0E=" is "CA".
const std::string kBasic = R"(
current-context: main
clusters:
- name: c
  cluster: {server: "https://example:6443/prefix/", certificate-authority-data: Q0E=, tls-server-name: kubernetes}
contexts:
- name: main
  context: {cluster: c, user: u, namespace: team}
- name: other
  context: {cluster: c, user: v}
users:
- name: u
  user: {token: s3cret}
- name: v
  user: {client-certificate: cert.pem, client-key: keys/key.pem, tokenFile: tok}
)";

}  // namespace

TEST_CASE("a kubeconfig's current context is read") {
  Rig rig;
  const auto config = rig.load(kBasic);
  REQUIRE(config);
  CHECK(config->server == "https://example:6443/prefix");
  CHECK(config->tls.ca_pem == "CA");
  CHECK(config->tls.server_name == "kubernetes");
  CHECK(config->default_namespace == "team");
  CHECK(config->token.reveal() == "s3cret");
}

TEST_CASE("another context can be chosen; relative paths start at the file that names them") {
  Rig rig;
  rig.write("cert.pem", "CERT");
  rig.write("keys/key.pem", "KEY");
  rig.options.context = "other";
  const auto config = rig.load(kBasic);
  REQUIRE(config);
  CHECK(config->tls.client_certificate_pem == "CERT");
  CHECK(config->tls.client_key_pem.reveal() == "KEY");
  CHECK(config->tls.client_key_file == (rig.folder.path() / "keys/key.pem").string());
  CHECK(config->token_file == (rig.folder.path() / "tok").string());
  CHECK(config->default_namespace == "default");
}

TEST_CASE("the files of KUBECONFIG are merged, the first to say something wins, missing ones are passed over") {
  Rig rig;
  const std::string first = rig.write("a/one", R"(
clusters: [{name: c, cluster: {server: "https://first", insecure-skip-tls-verify: true}}]
users: [{name: u, user: {tokenFile: t}}]
)");
  const std::string second = rig.write("b/two", R"(
current-context: main
clusters: [{name: c, cluster: {server: "https://second"}}]
contexts: [{name: main, context: {cluster: c, user: u}}]
)");
  rig.variables["KUBECONFIG"] = first + ":/nonexistent/file::" + second;
  const auto config = rig.load();
  REQUIRE(config);
  CHECK(config->server == "https://first");
  CHECK(config->token_file == (rig.folder.path() / "a/t").string());
}

TEST_CASE("in a pod the service account is used") {
  Rig rig;
  rig.variables = {{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}, {"KUBERNETES_SERVICE_PORT", "443"}};
  SECTION("with token, CA and namespace") {
    rig.write("token", "t");
    rig.write("ca.crt", "CA");
    rig.write("namespace", "operators\n");
    const auto config = rig.load();
    REQUIRE(config);
    CHECK(config->server == "https://10.0.0.1:443");
    CHECK(config->tls.ca_pem == "CA");
    CHECK(config->token_file == (rig.folder.path() / "token").string());
    CHECK(config->default_namespace == "operators");
    CHECK(config->source == "in-cluster");
  }
  SECTION("an IPv6 host gets brackets") {
    rig.write("token", "t");
    rig.write("ca.crt", "CA");
    rig.variables["KUBERNETES_SERVICE_HOST"] = "fd00::1";
    CHECK(rig.load()->server == "https://[fd00::1]:443");
  }
  SECTION("a missing CA is an error") {
    rig.write("token", "t");
    const auto config = rig.load();
    REQUIRE_FALSE(config);
    CHECK_THAT(config.error().message, Catch::Contains("ca.crt"));
  }
  SECTION("a missing token is an error") {
    rig.write("ca.crt", "CA");
    CHECK_FALSE(rig.load());
  }
}

TEST_CASE("KUBECONFIG comes before the pod, the pod before the home folder, and nothing is an error") {
  Rig rig;
  CHECK(rig.load().error().code == ErrorCode::kNotFound);
  rig.write(".kube/config", kBasic);
  rig.variables["HOME"] = rig.folder.path();
  CHECK(rig.load()->server == "https://example:6443/prefix");
  rig.write("token", "t");
  rig.write("ca.crt", "CA");
  rig.variables["KUBERNETES_SERVICE_HOST"] = "10.0.0.1";
  rig.variables["KUBERNETES_SERVICE_PORT"] = "443";
  CHECK(rig.load()->source == "in-cluster");
  rig.variables["KUBECONFIG"] = rig.write("named", kBasic);
  CHECK(rig.load()->source == rig.variables["KUBECONFIG"]);
}

TEST_CASE("libcurl is taken where cpprestsdk cannot go, or has no bound") {
  ClientConfig config;
  config.server = "https://host:6443";
  CHECK(transport_for(config, TransportKind::kCpprest) == TransportKind::kCpprest);
  CHECK(transport_for(config, TransportKind::kCurl) == TransportKind::kCurl);
  config.proxy.url = "http://proxy:3128";
  CHECK(transport_for(config, TransportKind::kCpprest) == TransportKind::kCurl);
  config.proxy.url.clear();
  for (const char* server : {"https://[::1]:6443", "http://host"}) {
    config.server = server;
    CHECK(transport_for(config, TransportKind::kCpprest) == TransportKind::kCurl);
  }
}

TEST_CASE("a cluster without CA is refused unless it says insecure") {
  Rig rig;
  const auto yaml = [](const std::string& more) {
    return "current-context: m\nclusters: [{name: c, cluster: {server: 'https://e'" + more +
           "}}]\ncontexts: [{name: m, context: {cluster: c}}]\n";
  };
  const auto refused = rig.load(yaml(""));
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("certificate-authority"));
  for (const char* yes : {"true", "True", "yes", "on"}) {  // as kubectl reads YAML
    const auto insecure = rig.load(yaml(std::string(", insecure-skip-tls-verify: ") + yes));
    REQUIRE(insecure);
    CHECK(insecure->tls.insecure_skip_verify);
  }
}

namespace {

std::string with_user(const std::string& user, const std::string& cluster = "insecure-skip-tls-verify: true") {
  return "current-context: m\nclusters: [{name: c, cluster: {server: 'https://e', " + cluster +
         "}}]\ncontexts: [{name: m, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {" + user + "}}]\n";
}

}  // namespace

TEST_CASE("what cannot work is refused with the remedy") {
  struct Case {
    const char* user;
    const char* message;
  };
  const auto each = GENERATE(values<Case>({
      {"auth-provider: {name: azure}", "kubelogin convert-kubeconfig"},
      {"token: t, username: a", "remove one"},
      {"as-uid: '7'", "name the user to impersonate"},
      {"exec: {command: x}", "apiVersion"},
      {"exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}", "apiVersion"},
      {"exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never}", "no command"},
      {"exec: {apiVersion: client.authentication.k8s.io/v1, command: x}", "interactiveMode"},
      {"exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Always}", "no terminal"},
  }));
  Rig rig;
  const auto config = rig.load(with_user(each.user));
  REQUIRE_FALSE(config);
  CHECK_THAT(config.error().message, Catch::Contains(each.message));
  CHECK_THAT(rig.load(with_user("token: t", "insecure-skip-tls-verify: true, certificate-authority-data: Q0E="))
                 .error()
                 .message,
             Catch::Contains("remove one"));
}

TEST_CASE("user and password, impersonation and proxy-url are read") {
  Rig rig;
  rig.variables["HTTPS_PROXY"] = "http://environment:1";
  rig.variables["NO_PROXY"] = "*";
  const auto config = rig.load(
      with_user("username: a, password: b, as: jane, as-uid: '7', as-groups: [x, y], as-user-extra: {k: [v, w]}",
                "insecure-skip-tls-verify: true, proxy-url: 'socks5://u:p@proxy'"));
  REQUIRE(config);
  CHECK(config->username == "a");
  CHECK(config->password.reveal() == "b");
  CHECK(config->impersonation.user == "jane");
  CHECK(config->impersonation.groups == std::vector<std::string>{"x", "y"});
  CHECK(config->impersonation.extra.at(0).second == std::vector<std::string>{"v", "w"});
  CHECK(config->proxy.url == "socks5://proxy:1080");
  CHECK(config->proxy.required);
  rig.variables.erase("NO_PROXY");
  CHECK(rig.load(with_user("token: t"))->proxy.url == "http://environment:1");
}

TEST_CASE("an exec plugin is read with the cluster that it asks for") {
  Rig rig;
  const auto config = rig.load(with_user(
      "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: bin/login, args: [a, '1'], env: [{name: N, "
      "value: v}], provideClusterInfo: true, installHint: get it}",
      "certificate-authority-data: Q0E=, extensions: [{name: client.authentication.k8s.io/exec, extension: {n: 1, s: "
      "'1', l: [true, x]}}]"));
  REQUIRE(config);
  REQUIRE(config->exec);
  CHECK(config->exec->command == (rig.folder.path() / "bin/login").string());
  CHECK(config->exec->args == std::vector<std::string>{"a", "1"});
  CHECK(config->exec->environment.at(0).second == "v");
  CHECK(config->exec->cluster_json ==
        R"({"certificate-authority-data":"Q0E=","config":{"l":[true,"x"],"n":1,"s":"1"},"server":"https://e"})");
  const auto by_name = rig.load(with_user(
      "exec: {apiVersion: client.authentication.k8s.io/v1, command: kubelogin, interactiveMode: IfAvailable}"));
  REQUIRE(by_name);
  CHECK(by_name->exec->command == "kubelogin");
  CHECK(by_name->exec->cluster_json.empty());
}

TEST_CASE("broken kubeconfigs are errors that quote nothing of the file") {
  Rig rig;
  const std::string yaml =
      GENERATE("", "just text s3cret", "[s3cret", "{a: &x [*x], s3cret", "current-context: s3cret\nclusters: 7\n",
               "current-context: m\ncontexts: [s3cret, {name: m, context: [s3cret]}]\n",
               "current-context: m\ncontexts: [{name: m, context: {cluster: c}}]\nclusters: [{name: c, cluster: "
               "{server: 'https://e', certificate-authority-data: '%%s3cret%%'}}]\n");
  const auto config = rig.load(yaml);
  REQUIRE_FALSE(config);
  if (yaml.find("current-context: s3cret") == std::string::npos) {
    CHECK_THAT(config.error().describe(), !Catch::Contains("s3cret"));
  }
}

TEST_CASE("a client certificate without its key is refused") {
  Rig rig;
  const auto config = rig.load(
      "current-context: m\nclusters: [{name: c, cluster: {server: 'https://e', insecure-skip-tls-verify: true}}]\n"
      "contexts: [{name: m, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {client-certificate-data: "
      "Q0E=}}]\n");
  REQUIRE_FALSE(config);
  CHECK(config.error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("no credential is kept for a server that is asked without TLS") {
  ClientConfig config;
  config.server = "https://host";
  config.token = Secret("token");
  CHECK(!drop_credentials_without_tls(config));
  CHECK(!config.token.empty());
  config.server = "http://host";
  config.token_file = "/token";
  config.username = "user";
  config.exec.emplace();
  CHECK(drop_credentials_without_tls(config));
  CHECK(config.token.empty());
  CHECK(config.token_file.empty());
  CHECK(config.username.empty());
  CHECK(!config.exec);
  CHECK(!drop_credentials_without_tls(config));
}

TEST_CASE("of a server's URL only host and port are shown") {
  CHECK(host_of("https://example:6443/prefix/") == "example:6443");
  CHECK(host_of("https://[::1]:6443") == "[::1]:6443");
  CHECK(host_of("https://somebody:s3cret@example:6443/prefix") == "example:6443");
  CHECK(host_of("https://some@body:s3cret@example?x#y") == "example");
  CHECK(host_of("https://somebody:s3/cret@example") == "example");
  CHECK(host_of("somebody:s3cret@example") == "example");
  CHECK(host_of("").empty());
}

TEST_CASE("an empty kubeconfig is named as empty") {
  Rig rig;
  const auto text = GENERATE(as<std::string>(), "", "\n\n", "# nothing but words\n", "---\n", "~\n");
  INFO(text);
  const auto refused = rig.load(text);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kInvalidArgument);
  CHECK(refused.error().message == "the kubeconfig " + rig.options.kubeconfig + " is empty");
}

TEST_CASE("of a list of kubeconfigs some may be empty, but not all") {
  Rig rig;
  const std::string empty = rig.write("empty", "");
  rig.variables["KUBECONFIG"] = empty + ":" + rig.write("full", kBasic);
  const auto config = rig.load();
  REQUIRE(config);
  CHECK(config->default_namespace == "team");
  rig.variables["KUBECONFIG"] = empty + ":" + empty;
  CHECK_THAT(rig.load().error().message, Catch::EndsWith("is empty"));
}
