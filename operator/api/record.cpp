#include "operator/api/record.hpp"

#include <cstring>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "operator/api/child.hpp"
#include "operator/api/image_classifier.hpp"
#include "operator/api/revision.hpp"
#include "operator/api/service.hpp"
#include "operator/api/workload.hpp"

namespace imageclassifier::api {
namespace {

// ---- what a record holds: the same functions write and read ----

template <typename T, typename U>
concept Like = std::is_same_v<std::remove_const_t<T>, U>;

// First in every record; its first five are the ObjectIdentity.
template <typename Archive, Like<ObjectMeta> T>
void members(Archive& archive, T& meta) {
  archive(meta.namespace_name, meta.name, meta.uid, meta.resource_version, meta.owner_uid, meta.generation,
          meta.revision, meta.pod_revision, meta.instance, meta.creation_timestamp, meta.deleting,
          meta.created_by_update, meta.owns_replicas);
}

template <typename Archive, Like<Condition> T>
void members(Archive& archive, T& condition) {
  archive(condition.type, condition.status, condition.observed_generation, condition.last_transition_time,
          condition.reason, condition.message);
}

template <typename Archive, Like<ContainerStatus> T>
void members(Archive& archive, T& status) {
  archive(status.name, status.init, status.ready, status.started, status.restart_count, status.running,
          status.waiting_reason, status.waiting_message, status.terminated_reason, status.terminated_message,
          status.exit_code, status.memory_limit, status.image_digest);
}

template <typename Archive, Like<Deployment> T>
void members(Archive& archive, T& deployment) {
  archive(deployment.metadata, deployment.replicas, deployment.paused, deployment.observed_generation,
          deployment.status_replicas, deployment.updated_replicas, deployment.ready_replicas,
          deployment.available_replicas, deployment.conditions, deployment.owned);
}

template <typename Archive, Like<ReplicaSet> T>
void members(Archive& archive, T& replica_set) {
  archive(replica_set.metadata, replica_set.replicas, replica_set.conditions);
}

template <typename Archive, Like<Pod> T>
void members(Archive& archive, T& pod) {
  archive(pod.metadata, pod.phase, pod.reason, pod.message, pod.node_name, pod.conditions, pod.containers,
          pod.lost_readiness);
}

template <typename Archive, Like<Service> T>
void members(Archive& archive, T& service) {
  archive(service.metadata, service.type, service.cluster_ip, service.ingress, service.conditions, service.owned);
}

template <typename Archive, Like<Child> T>
void members(Archive& archive, T& child) {
  archive(child.metadata, child.conditions, child.owned);
}

template <typename Archive, Like<Revision> T>
void members(Archive& archive, T& revision) {
  archive(revision.metadata, revision.marks.number, revision.marks.specification, revision.marks.completed,
          revision.marks.failure, revision.images, revision.secrets, revision.guarded, revision.model_port,
          revision.tls_secret, revision.owned);
}

template <typename Archive, Like<Event> T>
void members(Archive& archive, T& event) {
  archive(event.metadata, event.involved_kind, event.involved_namespace, event.involved_name, event.involved_uid,
          event.type, event.reason, event.message, event.last_seen);
}

template <typename Archive, Like<PackedClassifier> T>
void members(Archive& archive, T& classifier) {
  archive(classifier.metadata, classifier.content);
}

// ---- the two archives ----

/// Numbers seven bits at a time, the least first; signed ones with the sign in the lowest bit.
class Writer {
 public:
  template <typename... Values>
  void operator()(const Values&... values) {
    (put(values), ...);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void put_number(std::uint64_t number) {
    for (; number >= 0x80U; number >>= 7U) bytes_ += static_cast<char>(number | 0x80U);
    bytes_ += static_cast<char>(number);
  }
  void put(std::int64_t number) {
    put_number((static_cast<std::uint64_t>(number) << 1U) ^ static_cast<std::uint64_t>(number >> 63U));
  }
  void put(bool flag) { bytes_ += flag ? '\1' : '\0'; }
  void put(const std::string& text) {
    put_number(text.size());
    bytes_ += text;
  }
  void put(const PackedText& text) { put(text.packed()); }
  template <typename T>
  void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }
  template <typename T>
  void put(const std::vector<T>& values) {
    put_number(values.size());
    for (const T& value : values) put(value);
  }
  template <typename T>
  void put(const T& object) {
    members(*this, object);
  }

  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : at_(bytes.data()) {}

  template <typename... Values>
  void operator()(Values&... values) {
    (get(values), ...);
  }
  std::string_view text() {
    const std::size_t size = number();
    return {std::exchange(at_, at_ + size), size};
  }

 private:
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(*at_++);
      value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
      if (byte < 0x80U) return value;
    }
  }
  void get(std::int64_t& value) {
    const std::uint64_t coded = number();
    value = static_cast<std::int64_t>((coded >> 1U) ^ (~(coded & 1U) + 1U));
  }
  void get(bool& flag) { flag = *at_++ != '\0'; }
  void get(std::string& value) { value = text(); }
  void get(PackedText& value) { value = PackedText::from_packed(std::string(text())); }
  template <typename T>
  void get(std::optional<T>& value) {
    bool present = false;
    get(present);
    if (present) get(value.emplace());
  }
  template <typename T>
  void get(std::vector<T>& values) {
    values.resize(number());
    for (T& value : values) get(value);
  }
  template <typename T>
  void get(T& object) {
    members(*this, object);
  }

  const char* at_;
};

}  // namespace

template <typename T>
Record<T>::Record(const T& object) {
  Writer writer;
  writer(object);
  const auto size = static_cast<std::uint32_t>(writer.bytes().size());
  auto block = std::make_unique<char[]>(sizeof size + size);
  std::memcpy(block.get(), &size, sizeof size);
  std::memcpy(block.get() + sizeof size, writer.bytes().data(), size);
  block_ = std::move(block);
}

template <typename T>
std::string_view Record<T>::bytes() const {
  std::uint32_t size = 0;
  std::memcpy(&size, block_.get(), sizeof size);
  return {block_.get() + sizeof size, size};
}

template <typename T>
T Record<T>::object() const {
  T object;
  Reader reader(bytes());
  reader(object);
  return object;
}

template <typename T>
ObjectMeta Record<T>::metadata() const {
  ObjectMeta meta;
  Reader reader(bytes());
  reader(meta);
  return meta;
}

template <typename T>
ObjectIdentity Record<T>::identity() const {
  Reader reader(bytes());
  ObjectIdentity identity;
  for (std::string_view* part :
       {&identity.namespace_name, &identity.name, &identity.uid, &identity.resource_version, &identity.owner_uid}) {
    *part = reader.text();
  }
  return identity;
}

template class Record<Deployment>;
template class Record<ReplicaSet>;
template class Record<Pod>;
template class Record<Service>;
template class Record<Child>;
template class Record<Revision>;
template class Record<Event>;
template class Record<PackedClassifier>;

}  // namespace imageclassifier::api
