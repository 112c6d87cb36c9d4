// Objects of the API server become records. Beyond "does not crash": what is kept is no larger than what came in and a
// little, what was packed comes back, and a record that was accepted can be unpacked.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "operator/api/image_classifier.hpp"
#include "operator/api/record.hpp"
#include "operator/api/service.hpp"
#include "operator/api/workload.hpp"

using namespace imageclassifier;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

std::size_t size_of(const api::ObjectMeta& meta) {
  return meta.name.size() + meta.namespace_name.size() + meta.uid.size() + meta.resource_version.size() +
         meta.instance.size() + meta.owner_uid.size() + meta.creation_timestamp.size();
}

// A part of a valid object is valid JSON, or empty.
void check_owned(const api::PackedText& owned) {
  require(!nlohmann::json::parse(owned.text(), nullptr, false).is_discarded());
}

// A record gives back the object.
template <typename T>
void check_record(const T& object) {
  const api::Record<T> record(object);
  require(record.object().metadata == object.metadata && record.identity().owner_uid == object.metadata.owner_uid);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  require(api::PackedText(text).text() == text);
  if (const auto deployment = api::decode_deployment(text)) {
    require(size_of(deployment->metadata) <= size);
    check_owned(deployment->owned);
    check_record(*deployment);
  }
  if (const auto service = api::decode_service(text)) {
    require(size_of(service->metadata) <= size && service->ingress.size() <= size);
    check_owned(service->owned);
    check_record(*service);
  }
  if (const auto replica_set = api::decode_replica_set(text)) require(size_of(replica_set->metadata) <= size);
  if (const auto pod = api::decode_pod(text)) {
    require(size_of(pod->metadata) <= size && pod->containers.size() <= size);
    (void)api::is_ready(*pod);
    check_record(*pod);
  }
  if (const auto event = api::decode_event(text)) require(event->message.size() + event->reason.size() <= size);
  const auto record = api::decode_packed_classifier(text);
  require(record.has_value() == api::decode_image_classifier(text).has_value());
  if (record) require(api::unpack(*record).has_value());
  return 0;
}
