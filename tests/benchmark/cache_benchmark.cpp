// What one cached object takes, with its share of the store, and what decoding costs. Prints the lines of
// `make bench-operator` that need no API server; exit status 0: every target is met.
#include <malloc.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "operator/api/image_classifier.hpp"
#include "operator/api/packed_dictionary.hpp"
#include "operator/api/record.hpp"
#include "operator/api/service.hpp"
#include "operator/api/workload.hpp"
#include "operator/runtime/store.hpp"

namespace {

using namespace imageclassifier;
using nlohmann::json;

constexpr int kCount = 10000;
constexpr double kTargetPerDeployment = 3.5;  // kilobytes

std::string uid_of(const char* kind, int number) {
  char text[64];
  std::snprintf(text, sizeof text, "%.8s-%04x-4%03x-9abc-%012d", (std::string(kind) + "00000000").c_str(),
                number & 0xffff, number & 0xfff, number);
  return text;
}

// The dictionary holds three objects one after the other as the API server returns them: Service, resource, Deployment.
json sample(int which) {
  std::string_view rest = api::kPackedDictionary;
  for (int at = 0;; ++at) {
    int depth = 0;
    std::size_t end = 0;
    do {
      depth += rest[end] == '{' ? 1 : rest[end] == '}' ? -1 : 0;
      ++end;
    } while (depth > 0);
    if (at == which) return json::parse(rest.substr(0, end));
    rest.remove_prefix(end);
  }
}

json with_identity(json object, const char* kind, const char* owner, int number) {
  json& metadata = object["metadata"];
  metadata["name"] = "classifier-" + std::to_string(number) + (kind[0] == 'p' ? "-7d4f9c6b5d-x2k9q" : "");
  metadata["namespace"] = "vision";
  metadata["uid"] = uid_of(kind, number);
  metadata["resourceVersion"] = std::to_string(1000000 + number);
  metadata["generation"] = 1;
  metadata["creationTimestamp"] = "2026-01-31T08:00:00Z";
  metadata["labels"] = {{"app.kubernetes.io/instance", "classifier-" + std::to_string(number)},
                        {"app.kubernetes.io/managed-by", "imageclassifier-operator"},
                        {"app.kubernetes.io/name", "imageclassifier"}};
  if (owner != nullptr) metadata["ownerReferences"] = {{{"uid", uid_of(owner, number)}, {"controller", true}}};
  // As bulky as the API server's own entries.
  metadata["managedFields"] = {
      {{"manager", "imageclassifier-operator"}, {"operation", "Apply"}, {"fieldsV1", object["spec"]}},
      {{"manager", "kube-controller-manager"}, {"operation", "Update"}, {"subresource", "status"}}};
  return object;
}

json condition(const char* type) {
  return {{"type", type},
          {"status", "True"},
          {"lastTransitionTime", "2026-01-31T08:00:00Z"},
          {"reason", "Reason"},
          {"message", "A message of some length that nobody reads."}};
}

template <typename T>
double measure(const char* kind, const std::function<Result<T>(std::string_view)>& decode,
               const std::function<json(int)>& make) {
  runtime::Store<api::Record<T>> store;
  std::size_t bytes_read = 0;
  double seconds = 0;
  malloc_trim(0);
  const std::size_t before = mallinfo2().uordblks;
  for (int number = 0; number < kCount; ++number) {
    const std::string text = make(number).dump();
    bytes_read += text.size();
    const auto begin = std::chrono::steady_clock::now();
    Result<T> object = decode(text);
    if (!object) std::abort();
    store.upsert(std::make_shared<const api::Record<T>>(*object));
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  const double each = static_cast<double>(mallinfo2().uordblks - before) / kCount;
  std::printf("  %s: %.0f bytes kept of %zu, %.0f us to decode and store\n", kind, each, bytes_read / kCount,
              1e6 * seconds / kCount);
  return each;
}

}  // namespace

int main() {
  const double deployment = measure<api::Deployment>("Deployment", api::decode_deployment, [](int number) {
    json object = with_identity(sample(2), "deployment", "classifier", number);
    object["status"] = {
        {"replicas", 1}, {"readyReplicas", 1}, {"conditions", {condition("Available"), condition("Progressing")}}};
    return object;
  });
  measure<api::Service>("Service", api::decode_service,
                        [](int number) { return with_identity(sample(0), "service", "classifier", number); });
  measure<api::PackedClassifier>("ImageClassifier", api::decode_packed_classifier,
                                 [](int number) { return with_identity(sample(1), "classifier", nullptr, number); });
  measure<api::ReplicaSet>("ReplicaSet", api::decode_replica_set,
                           [](int number) { return with_identity(sample(2), "replicaset", "deployment", number); });
  measure<api::Pod>("Pod", api::decode_pod, [](int number) {
    json object = with_identity(sample(2), "pod", "replicaset", number);
    object["spec"] = object["spec"]["template"]["spec"];
    object["status"] = {
        {"phase", "Running"},
        {"conditions",
         {condition("Initialized"), condition("Ready"), condition("ContainersReady"), condition("PodScheduled")}},
        {"containerStatuses", {{{"name", "server"}, {"ready", true}, {"state", {{"running", json::object()}}}}}}};
    return object;
  });
  const bool met = deployment / 1000 <= kTargetPerDeployment;
  std::printf("bytes-per-cached-deployment %.2f KB <= %.1f KB %s\n", deployment / 1000, kTargetPerDeployment,
              met ? "met" : "missed");
  return met ? 0 : 1;
}
