// Certificates that change while a client runs: the API server's, of a new CA, and the client's own.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <optional>

#include "common/file.hpp"
#include "tests/integration/followed.hpp"
#include "tests/support/captured_log.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/test_authority.hpp"

using namespace imageclassifier;
using namespace imageclassifier::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMaximumFile = 1 << 20;

/// As a kubelet does: the whole file at once.
std::string put(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path.string() + ".new") << text;
  std::filesystem::rename(path.string() + ".new", path);
  return path;
}

std::filesystem::path pki() {
  return std::filesystem::path(control_plane_state("ca")).parent_path();
}

Certified read_pair(const std::string& name) {
  return {read_file(pki() / (name + ".crt"), kMaximumFile).value(),
          read_file(pki() / (name + ".key"), kMaximumFile).value()};
}

/// The name for which the API server has a certificate of its own in two files, which it reads when they change.
const std::string kName = "changing.test";

kubernetes::ClientConfig named(const std::string& ca_pem) {
  kubernetes::ClientConfig config = control_plane_config();
  config.tls.server_name = kName;
  config.tls.ca_pem = ca_pem;
  return config;
}

/// Why a new client gets no answer; nothing if it gets one.
std::optional<ErrorCode> refusal(const kubernetes::ClientConfig& config) {
  ApiServer server(config);
  const auto answer = server.client->get(kConfigMaps, {"default", "kube-root-ca.crt"}, {});
  return answer ? std::nullopt : std::optional(answer.error().code);
}

/// From the authority on, and until the API server presents it to new connections.
void present(const TestAuthority& authority) {
  const Certified made = authority.issue("kube-apiserver", {"DNS:" + kName});
  put(pki() / "changing.key", made.key_pem);
  put(pki() / "changing.crt", made.certificate_pem);
  REQUIRE(eventually([&] { return !refusal(named(authority.certificate_pem())); }));
}

}  // namespace

TEST_CASE("the API server's certificate comes from a new CA, the old one is dropped, and no request or watch fails") {
  const TestAuthority before(read_pair("ca"));
  const TestAuthority after("the next one");
  TemporaryFolder folder;
  const auto trust = [&](const std::string& bundle) { return put(folder.path() / "ca.crt", bundle); };
  present(before);
  ApiServer server;
  TestNamespace space(server);
  kubernetes::ClientConfig config = named(before.certificate_pem());
  config.tls.ca_file = trust(before.certificate_pem());
  runtime::reflector::Options options = quick();
  options.idle_timeout = 200ms;  // so that its watches are opened anew, by new connections
  options.idle_jitter = 0ms;
  options.short_watch = 0ms;
  MetricsRegistry reloads;
  const CapturedLog log;
  Followed followed(space.name(), "", options, config, 30s, {.check_every = 10ms, .metrics = &reloads});
  followed.informer.start();
  const auto check_all_goes_on = [&](const std::string& value) {
    for (int i = 0; i < 5; ++i) apply_config_map(followed.direct, space.name(), "m" + std::to_string(i), value);
    const double watches = followed.counted("reflector_watches_total");
    CHECK(eventually([&] { return followed.counted("reflector_watches_total") >= watches + 3; }));
    CHECK(eventually([&] { return followed.cached() == listed(server, space.name()); }));
  };
  check_all_goes_on("before");

  trust(before.certificate_pem() + after.certificate_pem());
  check_all_goes_on("both trusted");
  present(after);
  check_all_goes_on("new certificate");
  trust(after.certificate_pem());
  check_all_goes_on("old one dropped");
  CHECK(refusal(named(before.certificate_pem())) == ErrorCode::kUnauthenticated);

  const MetricLabels lost = {{"code", "<error>"}, {"method", "PATCH"}, {"host", ""}};
  CHECK(followed.direct.metrics.counter("rest_client_requests_total", "", lost).value() == 0);
  CHECK(log.count("not trusted") == 0);  // what a watch would say that fails
  followed.informer.stop();
  CHECK(followed.counted("reflector_lists_total") == 1);
  CHECK(reloads.counter("rest_client_tls_reloads_total", "", {{"result", "success"}}).value() == 2);
}

TEST_CASE("a client certificate that is swapped in its files is presented from then on") {
  const TestAuthority people(read_pair("ca"));
  TemporaryFolder folder;
  kubernetes::ClientConfig config = control_plane_config();
  const auto swap = [&](const Certified& made) {
    config.tls.client_certificate_pem = made.certificate_pem;
    config.tls.client_key_pem = Secret(made.key_pem);
    config.tls.client_certificate_file = put(folder.path() / "tls.crt", made.certificate_pem);
    config.tls.client_key_file = put(folder.path() / "tls.key", made.key_pem);
  };
  swap(people.issue("jane"));
  ApiServer server(config, {}, {.check_every = 1ms});
  // The server's words when it refuses: nobody has given this user a right.
  const auto refused = [&] {
    const auto answer = server.client->get(kConfigMaps, {"default", "x"}, {});
    REQUIRE_FALSE(answer);
    return answer.error().message;
  };
  CHECK_THAT(refused(), Catch::Contains("User \"jane\""));
  const Certified joe = people.issue("joe");
  put(folder.path() / "tls.crt", joe.certificate_pem);
  server.clock.sleep_for(5ms, {});
  CHECK_THAT(refused(), Catch::Contains("User \"jane\""));  // in the middle of a swap
  put(folder.path() / "tls.key", joe.key_pem);
  CHECK(eventually([&] { return refused().find("User \"joe\"") != std::string::npos; }));
  swap(TestAuthority("nobody knows it").issue("joe"));
  CHECK(eventually([&] { return refused().find("Unauthorized") != std::string::npos; }));
  swap(people.issue("jill"));
  CHECK(eventually([&] { return refused().find("User \"jill\"") != std::string::npos; }));
}
