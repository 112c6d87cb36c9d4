#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/operator/kubernetes/transport_rig.hpp"
#include "tests/support/captured_log.hpp"
#include "tests/support/temporary_folder.hpp"

// Whom a Transport trusts, who it is, and that both change while it runs.
using namespace imageclassifier;
using namespace imageclassifier::kubernetes;
using namespace imageclassifier::testing;
using namespace std::chrono_literals;

namespace {

// Says who the client is, on connections that stay open.
void greet(Connection& connection, int) {
  while (!connection.read_request().empty()) connection.send(answer("peer=" + connection.peer()));
}

struct Files {
  TemporaryFolder folder;
  std::string put(const std::string& name, const std::string& text) {
    const std::string path = folder.path() / name;
    std::ofstream(path + ".new") << text;
    std::filesystem::rename(path + ".new", path);
    return path;
  }
};

ErrorCode code_of(const Result<Response>& answer) {
  REQUIRE_FALSE(answer);
  return answer.error().code;
}

template <typename Over>
struct Reloading {
  explicit Reloading(const ClientConfig& config) {
    identity = TlsIdentitySource::make(config.tls, clock, {.check_every = 1ms}).value();
    transport = make_transport(config, {.kind = Over::kKind}, identity, clock).value();
  }
  Result<Response> send() {
    std::this_thread::sleep_for(2ms);  // so that the files are looked at
    return transport->send(kGet, clock.steady_now() + 10s, {});
  }
  SystemClock clock;
  std::shared_ptr<TlsIdentitySource> identity;
  std::unique_ptr<Transport> transport;
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("only the cluster's CA is trusted, whatever the system trusts", "", EachTlsTransport) {
  const TestAuthority other("one that the system trusts");
  Files files;
  const std::string bundle = files.put("system.pem", other.certificate_pem());
  const char* const before = std::getenv("SSL_CERT_FILE");
  const std::string kept = before == nullptr ? "" : before;
  for (const char* name : {"SSL_CERT_FILE", "CURL_CA_BUNDLE"}) setenv(name, bundle.c_str(), 1);
  ServerTls tls(other.issue("server", {"IP:127.0.0.1"}));
  ScriptedServer server(greet, {.tls = &tls});
  Client client(config_for(server.url()), {.kind = TestType::kKind});
  CHECK(code_of(client.send(kGet)) == ErrorCode::kUnauthenticated);
  Lines lines;
  const auto stream = client.stream(lines);
  REQUIRE_FALSE(stream);
  CHECK(stream.error().code == ErrorCode::kUnauthenticated);
  tls.present(cluster_authority().issue("server", {"IP:127.0.0.1"}));
  CHECK(client.send(kGet));
  ClientConfig nobody = config_for(server.url());
  nobody.tls.ca_pem.clear();
  CHECK(code_of(Client(nobody, {.kind = TestType::kKind}).send(kGet)) == ErrorCode::kUnauthenticated);
  unsetenv("CURL_CA_BUNDLE");
  setenv("SSL_CERT_FILE", kept.c_str(), 1);
}

TEMPLATE_LIST_TEST_CASE("another name is refused; tls-server-name is verified instead of the address", "",
                        EachTlsTransport) {
  ServerTls tls(cluster_authority().issue("server", {"DNS:kubernetes.default.svc", "IP:10.96.0.1"}));
  std::string host;
  ScriptedServer server(
      [&](Connection& connection, int) {
        host = connection.read_request();
        connection.send(answer("{}"));
      },
      {.tls = &tls});
  ClientConfig config = config_for(server.url());
  const auto send = [&] { return Client(config, {.kind = TestType::kKind}).send(kGet); };
  CHECK(code_of(send()) == ErrorCode::kUnauthenticated);
  config.tls.server_name = "kubernetes.default.svc";
  CHECK(send());
  config.tls.server_name = "10.96.0.1";
  CHECK(send());
  config.tls.server_name = "other.default.svc";
  CHECK(code_of(send()) == ErrorCode::kUnauthenticated);
  config.tls.insecure_skip_verify = true;
  CHECK(send());
}

TEST_CASE("libcurl says why it refuses a certificate, in words that are always the same") {
  const auto cause = [](const Certified& shown) {
    ServerTls tls(shown);
    ScriptedServer server(greet, {.tls = &tls});
    const auto answer = Client(config_for(server.url()), {.kind = TransportKind::kCurl}).send(kGet);
    REQUIRE(code_of(answer) == ErrorCode::kUnauthenticated);
    REQUIRE(answer.error().cause);
    return std::pair(answer.error().cause->code, answer.error().cause->message);
  };
  using Cause = std::pair<ErrorCode, std::string>;
  const std::vector<std::string> here = {"IP:127.0.0.1"};
  CHECK(cause(cluster_authority().issue("server", here, -48h)) ==
        Cause(ErrorCode::kDeadlineExceeded, "it has ended, by the clock of this machine"));
  CHECK(cause(cluster_authority().issue("server", here, 48h)) ==
        Cause(ErrorCode::kDeadlineExceeded, "it has not begun, by the clock of this machine"));
  CHECK(cause(cluster_authority().issue("server", {"DNS:elsewhere"})) ==
        Cause(ErrorCode::kUnauthenticated, "it was issued for another name"));
  CHECK(cause(TestAuthority("another").issue("server", here)) ==
        Cause(ErrorCode::kUnauthenticated, "it was issued by an authority that is not known"));
}

TEMPLATE_LIST_TEST_CASE("insecure-skip-tls-verify takes any certificate", "", EachTlsTransport) {
  const TestAuthority other("unknown");
  ServerTls tls(other.issue("server", {"DNS:elsewhere"}));
  ScriptedServer server(greet, {.tls = &tls});
  ClientConfig config = config_for(server.url());
  config.tls.ca_pem.clear();
  config.tls.insecure_skip_verify = true;
  CHECK(Client(config, {.kind = TestType::kKind}).send(kGet));
}

TEST_CASE("a configuration with insecure-skip-tls-verify leads to a warning") {
  Files files;
  const std::string path = files.put(
      "config", R"({"current-context":"m","clusters":[{"name":"risky","cluster":{"server":"https://h",)"
                R"("insecure-skip-tls-verify":true}}],"contexts":[{"name":"m","context":{"cluster":"risky"}}]})");
  const CapturedLog log;
  REQUIRE(load_client_config({.kubeconfig = path}));
  CHECK_THAT(log.text(), Catch::Contains("certificate is not verified") && Catch::Contains("risky"));
}

TEMPLATE_LIST_TEST_CASE("a new CA is taken over while requests go on", "", EachTlsTransport) {
  const TestAuthority before("before");
  const TestAuthority after("after");
  const std::vector<std::string> names{"IP:127.0.0.1"};
  Files files;
  ServerTls tls(before.issue("server", names));
  ScriptedServer server(greet, {.tls = &tls});
  ClientConfig config = config_for(server.url());
  config.tls.ca_pem = before.certificate_pem();
  config.tls.ca_file = files.put("ca.crt", before.certificate_pem());
  Reloading<TestType> client(config);
  REQUIRE(client.send());
  const std::string both = before.certificate_pem() + after.certificate_pem();
  for (const std::string& bundle : {both, std::string("\n"), std::string("no PEM"), both}) {
    files.put("ca.crt", bundle);
    tls.present((bundle == both ? after : before).issue("server", names));
    REQUIRE(client.send());
  }
  files.put("ca.crt", after.certificate_pem());
  tls.present(after.issue("server", names));
  REQUIRE(client.send());
  // An open connection to a server that is no longer trusted is not used again.
  files.put("ca.crt", before.certificate_pem());
  CHECK(code_of(client.send()) == ErrorCode::kUnauthenticated);
}

TEMPLATE_LIST_TEST_CASE("a new client certificate is presented from the next request on", "", EachTlsTransport) {
  const TestAuthority people("people");
  Files files;
  ServerTls tls(cluster_authority().issue("server", {"IP:127.0.0.1"}), people.certificate_pem());
  ScriptedServer server(greet, {.tls = &tls});
  ClientConfig config = config_for(server.url());
  const auto first = people.issue("jane");
  config.tls.client_certificate_pem = first.certificate_pem;
  config.tls.client_key_pem = Secret(first.key_pem);
  config.tls.client_certificate_file = files.put("tls.crt", first.certificate_pem);
  config.tls.client_key_file = files.put("tls.key", first.key_pem);
  Reloading<TestType> client(config);
  CHECK(client.send()->body == "peer=jane");
  const auto second = people.issue("joe");
  files.put("tls.crt", second.certificate_pem);
  CHECK(client.send()->body == "peer=jane");  // in the middle of a swap
  files.put("tls.key", second.key_pem);
  CHECK(client.send()->body == "peer=joe");
  const auto third = people.issue("plugin");
  REQUIRE(client.identity->set_client_certificate(third.certificate_pem, Secret(third.key_pem)));
  CHECK(client.send()->body == "peer=plugin");
}
