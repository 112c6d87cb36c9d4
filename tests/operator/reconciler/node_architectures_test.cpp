#include "operator/reconciler/node_architectures.hpp"

#include <catch2/catch.hpp>

#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_transport.hpp"
#include "tests/support/no_token.hpp"

using namespace imageclassifier;
using namespace imageclassifier::reconciler;

namespace {

const runtime::ObjectKey kPets{"zoo", "pets"};
constexpr const char* kNodes = "GET /api/v1/nodes?labelSelector=kubernetes.io%2Fos%3Dlinux";

std::string list_of(const std::string& architecture) {
  const std::string node = R"({"metadata": {"labels": {"kubernetes.io/arch": ")" + architecture + "\"}}}";
  return R"({"metadata": {"resourceVersion": "1"}, "items": [)" + (architecture.empty() ? "" : node) + "]}";
}

struct Rig {
  testing::FakeClock clock;
  MetricsRegistry metrics;
  testing::FakeTransport server;
  testing::NoToken tokens;
  kubernetes::ApiClient client{server, tokens, clock, metrics, {}};
  NodeArchitectures nodes{client, [](const runtime::ObjectKey&) {}, clock};

  Rig& expect(const std::string& selector, const std::string& architecture) {
    server.expect(kNodes + selector + "&limit=1", 200, list_of(architecture));
    return *this;
  }
  NodeArchitectures::Names ask(const api::Spec& spec = {}) {
    nodes.watch(kPets, spec);
    nodes.start();
    clock.wait_for_waiters(1);
    const auto answer = nodes.answer(kPets, spec);
    REQUIRE(answer);
    CHECK(server.finish().empty());
    return *answer;
  }
};

}  // namespace

TEST_CASE("each request asks for one node of an architecture that is not known yet") {
  Rig rig;
  rig.expect("%2Ckubernetes.io%2Farch", "amd64")
      .expect("%2Ckubernetes.io%2Farch%2Ckubernetes.io%2Farch%20notin%20%28amd64%29", "arm64")
      .expect("%2Ckubernetes.io%2Farch%2Ckubernetes.io%2Farch%20notin%20%28amd64%2Carm64%29", "");
  CHECK(rig.ask() == NodeArchitectures::Names{"amd64", "arm64"});
}

TEST_CASE("nodes that the pods may not use do not count") {
  Rig rig;
  rig.expect("%2Cpool%3Dgpu%2Ckubernetes.io%2Farch", "");
  api::Spec spec;
  spec.pod.node_selector = {{"pool", "gpu"}};
  CHECK(rig.ask(spec).empty());
}

TEST_CASE("who may not list nodes knows nothing of them") {
  Rig rig;
  rig.server.expect("GET /api/v1/nodes*", 403, R"({"kind": "Status", "code": 403, "reason": "Forbidden"})");
  CHECK(rig.ask().empty());
}

TEST_CASE("an API server that answers with the same node again is not asked without end") {
  Rig rig;
  rig.server.expect("GET /api/v1/nodes*", 200, list_of("amd64")).expect("GET /api/v1/nodes*", 200, list_of("amd64"));
  CHECK(rig.ask() == NodeArchitectures::Names{"amd64"});
}
