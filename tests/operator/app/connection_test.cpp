#include "operator/app/connection.hpp"

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/support/captured_log.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace imageclassifier;
using namespace imageclassifier::app;
using kubernetes::TransportKind;

namespace {

struct Rig {
  testing::TemporaryFolder folder;
  testing::FakeClock clock;
  MetricsRegistry metrics;
  testing::CapturedLog log;
  std::unique_ptr<Identity> identity;

  /// A client of the server at this URL. Its requests are refused by an injected fault, so that nobody is asked.
  Result<Connection> connect_to(const std::string& server, TransportKind kind) {
    RunOptions options;
    options.client.kubeconfig = folder.path() / "config";
    options.transport = kind;
    options.faults = "any=status:code=503";
    std::ofstream(options.client.kubeconfig)
        << "current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: \""
        << server << "\", insecure-skip-tls-verify: true}}]\n";
    auto loaded = load_identity(options, clock, metrics, {});
    if (!loaded) return fail(loaded.error());
    identity = std::make_unique<Identity>(std::move(*loaded));
    return connect(options, *identity, {.max_tries = 1}, clock, metrics);
  }
};

}  // namespace

TEST_CASE("the host in the metrics of requests is the server's host and port") {
  Rig rig;
  const auto connection = rig.connect_to("https://example:6443/prefix", TransportKind::kCurl);
  REQUIRE(connection);
  CHECK_FALSE(connection->client->get({"", "v1", "pods"}, {"a", "b"}, {}));
  CHECK_THAT(rig.metrics.text(), Catch::Contains(R"(host="example:6443")") && !Catch::Contains("prefix"));
}

TEST_CASE("user and password in the server's URL are in no error, metric or log line") {
  Rig rig;
  const auto connection = rig.connect_to("https://somebody:s3cret@example:6443/prefix",
                                         GENERATE(TransportKind::kCpprest, TransportKind::kCurl));
  REQUIRE_FALSE(connection);
  CHECK(connection.error().code == ErrorCode::kInvalidArgument);
  CHECK_THAT(connection.error().describe(), Catch::Contains("example:6443") && Catch::Contains("holds a user"));
  for (const std::string& said : {connection.error().describe(), rig.metrics.text(), rig.log.text()}) {
    CHECK_THAT(said, !Catch::Contains("s3cret") && !Catch::Contains("somebody"));
  }
}
