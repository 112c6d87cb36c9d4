#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "common/object_identity.hpp"

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

/// The identity of an object with a member `metadata` that has members of these names, or with a function identity().
template <typename T>
ObjectIdentity identity_of(const T& object) {
  if constexpr (requires { object.metadata.name; }) {
    const auto& metadata = object.metadata;
    return {metadata.namespace_name, metadata.name, metadata.uid, metadata.resource_version, metadata.owner_uid};
  } else {
    return object.identity();
  }
}

/// What a store can hold.
template <typename T>
concept StoredObject = requires(const T& object) {
  object.metadata.name;
}
|| requires(const T& object) {
  object.identity();
};

template <StoredObject T>
ObjectKey key_of(const T& object) {
  const ObjectIdentity identity = identity_of(object);
  return {std::string(identity.namespace_name), std::string(identity.name)};
}

}  // namespace imageclassifier::runtime

template <>
struct std::hash<imageclassifier::runtime::ObjectKey> {
  std::size_t operator()(const imageclassifier::runtime::ObjectKey& key) const noexcept {
    const std::size_t first = std::hash<std::string>()(key.namespace_name);
    return first ^ (std::hash<std::string>()(key.name) + 0x9e3779b97f4a7c15U + (first << 6) + (first >> 2));
  }
};
