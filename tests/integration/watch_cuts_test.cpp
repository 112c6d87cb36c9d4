// Cuts of a watch at random bytes while objects come, change and go. IC_ROUNDS cuts (25) with the seed IC_SEED
// (random); the campaign watch_cuts runs many.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <random>

#include "operator/kubernetes/fault_transport.hpp"
#include "operator/kubernetes/json_scan.hpp"
#include "operator/kubernetes/watch_decoder.hpp"
#include "operator/runtime/informer.hpp"
#include "tests/integration/api_server.hpp"
#include "tests/operator/runtime/thing.hpp"

using namespace imageclassifier;
using namespace imageclassifier::kubernetes;
using namespace imageclassifier::runtime;
using namespace imageclassifier::testing;
using namespace std::chrono_literals;
using testing_types::Thing;

namespace {

const GroupVersionResource kConfigMaps{"", "v1", "configmaps"};
using Versions = std::map<std::string, std::string>;  // uid -> resourceVersion

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoull(text);
}

Result<Thing> decode_thing(std::string_view json) {
  const auto metadata = find_member(json, "metadata").value_or(std::string_view());
  return Thing{{find_string(metadata, {"namespace"}), find_string(metadata, {"name"}), find_string(metadata, {"uid"}),
                find_string(metadata, {"resourceVersion"}), ""},
               ""};
}

Versions listed(ApiServer& server, const std::string& space) {
  Versions all;
  const auto answer =
      server.client->execute(list_request(kConfigMaps, space, {.selectors = {.labels = "app=cuts"}}), {});
  REQUIRE(answer);
  REQUIRE(decode_list(answer->body, [&](std::string_view item) {
    all[find_string(item, {"metadata", "uid"})] = find_string(item, {"metadata", "resourceVersion"});
  }));
  return all;
}

Versions cached(const Informer<Thing>& informer) {
  Versions all;
  for (const auto& thing : informer.store().list()) all[thing->metadata.uid] = thing->metadata.resource_version;
  return all;
}

void change_something(ApiServer& server, const std::string& space, std::mt19937_64& random) {
  const std::string name = "m" + std::to_string(random() % 20);
  if (random() % 4 == 0) {
    (void)server.client->remove(kConfigMaps, {space, name}, {}, {});
    return;
  }
  const std::string body = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name +
                           R"(","labels":{"app":"cuts"}},"data":{"value":")" + std::to_string(random()) + R"("}})";
  REQUIRE(server.client->apply(kConfigMaps, {space, name}, body, {.field_manager = "churn"}, {}));
}

int audited_lists(const std::string& agent) {
  std::ifstream log(control_plane_state("auditLog"));
  int count = 0;
  for (std::string line; std::getline(log, line);) {
    count += line.find("\"userAgent\":\"" + agent + "\"") != std::string::npos &&
             line.find("\"verb\":\"list\"") != std::string::npos &&
             line.find("\"stage\":\"ResponseComplete\"") != std::string::npos;
  }
  return count;
}

}  // namespace

TEST_CASE("no event is lost over random cuts of the watch, and none of them leads to a list") {
  const std::uint64_t seed = setting("IC_SEED", std::random_device{}());
  const std::uint64_t rounds = setting("IC_ROUNDS", 25);
  std::cout << "watch cuts: seed " << seed << ", " << rounds << " rounds" << std::endl;
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  ApiServer server;
  TestNamespace space(server);
  ApiServer direct;
  const auto plan = parse_fault_plan("in-a-row=0,watch=cut:bytes=4000,seed=" + std::to_string(seed));
  REQUIRE(plan);
  FaultTransport faulty(*direct.transport, *plan, direct.clock, {});
  const std::string agent = "cuts-" + space.name();
  ApiClient::Options client_options;
  client_options.user_agent = agent;
  ApiClient client(faulty, *direct.tokens, direct.clock, direct.metrics, client_options);
  ResourceWatch::Options options;
  options.resource = kConfigMaps;
  options.namespace_name = space.name();
  options.selectors.labels = "app=cuts";
  options.reflector.backoff_base = 5ms;
  options.reflector.backoff_cap = 20ms;
  Informer<Thing> informer(client, options, decode_thing, direct.clock, direct.metrics);
  informer.start();
  REQUIRE(eventually([&] { return informer.has_synced(); }));
  const auto cuts = [&] {
    const auto injected = faulty.injected();
    const auto found = injected.find("cut");
    return found == injected.end() ? 0 : found->second;
  };
  for (std::uint64_t compared = 0; cuts() < rounds;) {
    for (int i = 0; i < 5; ++i) change_something(server, space.name(), random);
    if (cuts() / 100 == compared) continue;
    compared = cuts() / 100;
    REQUIRE(eventually([&] { return cached(informer) == listed(server, space.name()); }));
  }
  CHECK(eventually([&] { return cached(informer) == listed(server, space.name()); }));
  informer.stop();
  CHECK(direct.metrics.counter("reflector_expired_total", "", {{"resource", "configmaps"}}).value() == 0);
  CHECK(eventually([&] { return audited_lists(agent) >= 1; }));
  CHECK(audited_lists(agent) == 1);
}
