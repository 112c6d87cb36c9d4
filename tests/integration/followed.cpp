#include "tests/integration/followed.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>

#include "common/json_scan.hpp"
#include "operator/kubernetes/watch_decoder.hpp"

namespace imageclassifier::testing {
namespace {

kubernetes::FaultPlan plan_of(const std::string& faults) {
  // A plan needs a rule; this one never hits.
  auto plan = kubernetes::parse_fault_plan(faults.empty() ? "any=reset:0" : faults);
  if (!plan) FAIL(plan.error().describe());
  return *plan;
}

runtime::ResourceWatch::Options watch_of(const std::string& space, const runtime::reflector::Options& options) {
  runtime::ResourceWatch::Options watch;
  watch.resource = kConfigMaps;
  watch.namespace_name = space;
  watch.selectors.labels = kFollowedLabel;
  watch.reflector = options;
  return watch;
}

kubernetes::ApiClient::Options client_of(const std::string& agent, Duration request_timeout) {
  kubernetes::ApiClient::Options options;
  options.request_timeout = request_timeout;
  options.user_agent = agent;
  return options;
}

std::vector<std::string> answered(const std::string& agent, const std::string& verb, const std::string& log) {
  return audit_lines({"\"userAgent\":\"" + agent + "\"", "\"verb\":\"" + verb + "\"", "\"stage\":\"ResponseComplete\""},
                     log);
}

// "2026-01-02T03:04:05.678901Z"
double seconds_since_1970(const std::string& timestamp) {
  std::tm moment{};
  const char* const fraction = strptime(timestamp.c_str(), "%Y-%m-%dT%H:%M:%S", &moment);
  REQUIRE(fraction != nullptr);
  return static_cast<double>(timegm(&moment)) + std::strtod(fraction, nullptr);
}

std::string fresh_agent() {
  static int number = 0;
  SystemClock clock;
  return "followed-" + std::to_string(clock.wall_now().time_since_epoch().count()) + "-" + std::to_string(++number);
}

}  // namespace

Result<testing_types::Thing> decode_thing(std::string_view json) {
  const auto metadata = find_member(json, "metadata").value_or(std::string_view());
  return testing_types::Thing{{find_string(metadata, {"namespace"}), find_string(metadata, {"name"}),
                               find_string(metadata, {"uid"}), find_string(metadata, {"resourceVersion"}), ""},
                              find_string(json, {"data", "value"})};
}

std::string config_map(const std::string& name, const std::string& value) {
  return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name +
         R"(","labels":{"app":"followed"}},"data":{"value":")" + value + R"("}})";
}

std::string apply_config_map(ApiServer& server, const std::string& space, const std::string& name,
                             const std::string& value) {
  const auto applied =
      server.client->apply(kConfigMaps, {space, name}, config_map(name, value), {.field_manager = "churn"}, {});
  if (!applied) FAIL(applied.error().describe());
  return applied->resource_version;
}

std::map<std::string, std::string> listed(ApiServer& server, const std::string& space) {
  std::map<std::string, std::string> all;
  const auto answer =
      server.client->execute(list_request(kConfigMaps, space, {.selectors = {.labels = kFollowedLabel}}), {});
  REQUIRE(answer);
  REQUIRE(kubernetes::decode_list(answer->body, [&](std::string_view item) {
    all[find_string(item, {"metadata", "uid"})] = find_string(item, {"metadata", "resourceVersion"});
  }));
  return all;
}

std::vector<std::string> audited(const std::string& agent, const std::string& verb, const std::string& name) {
  std::vector<std::string> found;
  for (const std::string& line : answered(agent, verb, name)) found.push_back(find_string(line, {"requestURI"}));
  return found;
}

std::vector<Span> audited_spans(const std::string& agent, const std::string& verb) {
  std::vector<Span> found;
  for (const std::string& line : answered(agent, verb, "auditLog")) {
    found.push_back({seconds_since_1970(find_string(line, {"requestReceivedTimestamp"})),
                     seconds_since_1970(find_string(line, {"stageTimestamp"}))});
  }
  return found;
}

Followed::Followed(const std::string& space, const std::string& faults, runtime::reflector::Options options,
                   const kubernetes::ClientConfig& config, Duration request_timeout, kubernetes::TlsReloadOptions tls)
    : agent(fresh_agent()),
      direct(config, {}, tls),
      faulty(*direct.transport, plan_of(faults), direct.clock, {}),
      client(faulty, *direct.tokens, direct.clock, direct.metrics, client_of(agent, request_timeout)),
      informer(client, watch_of(space, options), decode_thing, direct.clock, direct.metrics) {}

std::map<std::string, std::string> Followed::cached() const {
  std::map<std::string, std::string> all;
  for (const auto& thing : informer.store().list()) all[thing->metadata.uid] = thing->metadata.resource_version;
  return all;
}

double Followed::counted(const std::string& name) const {
  return const_cast<MetricsRegistry&>(direct.metrics).counter(name, "", {{"resource", "configmaps"}}).value();
}

std::uint64_t Followed::injected(const std::string& fault) const {
  const auto all = faulty.injected();
  const auto found = all.find(fault);
  return found == all.end() ? 0 : found->second;
}

runtime::reflector::Options quick() {
  runtime::reflector::Options options;
  options.stream_list = false;
  options.backoff_base = std::chrono::milliseconds(5);
  options.backoff_cap = std::chrono::milliseconds(20);
  return options;
}

}  // namespace imageclassifier::testing
