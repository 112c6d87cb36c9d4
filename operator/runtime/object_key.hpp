#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace imageclassifier::runtime {

/// Names an object of a known kind. `namespace_name` is empty for cluster-scoped objects.
struct ObjectKey {
  std::string namespace_name;
  std::string name;

  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
  friend bool operator==(const ObjectKey&, const ObjectKey&) = default;
};

/// "namespace/name", or "name" for cluster-scoped objects.
inline std::string to_string(const ObjectKey& key) {
  return key.namespace_name.empty() ? key.name : key.namespace_name + "/" + key.name;
}

/// What the store needs to know of a record. `owner_uid` is the uid of the owner with controller: true, or empty.
template <typename T>
concept StoredObject = requires(const T& object) {
  { object.metadata.namespace_name } -> std::convertible_to<std::string_view>;
  { object.metadata.name } -> std::convertible_to<std::string_view>;
  { object.metadata.uid } -> std::convertible_to<std::string_view>;
  { object.metadata.resource_version } -> std::convertible_to<std::string_view>;
  { object.metadata.owner_uid } -> std::convertible_to<std::string_view>;
};

template <StoredObject T>
ObjectKey key_of(const T& object) {
  return {std::string(object.metadata.namespace_name), std::string(object.metadata.name)};
}

}  // namespace imageclassifier::runtime

template <>
struct std::hash<imageclassifier::runtime::ObjectKey> {
  std::size_t operator()(const imageclassifier::runtime::ObjectKey& key) const noexcept {
    const std::size_t first = std::hash<std::string>()(key.namespace_name);
    return first ^ (std::hash<std::string>()(key.name) + 0x9e3779b97f4a7c15U + (first << 6) + (first >> 2));
  }
};
