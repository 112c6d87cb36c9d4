#include "operator/runtime/lease.hpp"

#include <nlohmann/json.hpp>

namespace imageclassifier::runtime {
namespace {

using nlohmann::json;

std::string text_of(const json& spec, const char* key) {
  const auto found = spec.find(key);
  return found != spec.end() && found->is_string() ? found->get<std::string>() : std::string();
}

int number_of(const json& spec, const char* key) {
  const auto found = spec.find(key);
  if (found == spec.end() || !found->is_number_integer()) return 0;
  const auto number = found->get<std::int64_t>();
  return number < 0 || number > std::numeric_limits<int>::max() ? 0 : static_cast<int>(number);
}

void put(json& spec, const LeaseRecord& record) {
  spec["holderIdentity"] = record.holder;
  spec["leaseDurationSeconds"] = record.duration.count();
  spec["acquireTime"] = record.acquire_time;
  spec["renewTime"] = record.renew_time;
  spec["leaseTransitions"] = record.transitions;
}

}  // namespace

Result<Lease> parse_lease(std::string_view text) {
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) return fail(ErrorCode::kInvalidArgument, "the Lease is not a JSON object");
  Lease lease;
  const auto metadata = object.find("metadata");
  if (metadata != object.end() && metadata->is_object()) {
    lease.resource_version = text_of(*metadata, "resourceVersion");
  }
  if (lease.resource_version.empty()) {
    return fail(ErrorCode::kInvalidArgument, "the Lease has no resource version");
  }
  const auto spec = object.find("spec");
  if (spec != object.end() && spec->is_object()) {
    lease.record.holder = text_of(*spec, "holderIdentity");
    lease.record.duration = std::chrono::seconds(number_of(*spec, "leaseDurationSeconds"));
    lease.record.acquire_time = text_of(*spec, "acquireTime");
    lease.record.renew_time = text_of(*spec, "renewTime");
    lease.record.transitions = number_of(*spec, "leaseTransitions");
  }
  lease.body = text;
  return lease;
}

std::string with_record(const Lease& lease, const LeaseRecord& record) {
  json object = json::parse(lease.body, nullptr, false);
  if (!object.is_object()) object = json::object();
  if (object.contains("metadata") && object["metadata"].is_object()) object["metadata"].erase("managedFields");
  if (!object.contains("spec") || !object["spec"].is_object()) object["spec"] = json::object();
  put(object["spec"], record);
  return object.dump();
}

std::string new_lease(std::string_view namespace_name, std::string_view name, const LeaseRecord& record) {
  json object = {{"apiVersion", "coordination.k8s.io/v1"},
                 {"kind", "Lease"},
                 {"metadata", {{"namespace", namespace_name}, {"name", name}}},
                 {"spec", json::object()}};
  put(object["spec"], record);
  return object.dump();
}

}  // namespace imageclassifier::runtime
