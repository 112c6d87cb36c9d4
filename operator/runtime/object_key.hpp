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

/// Who a cached object is: views into it. `owner_uid` is the uid of the owner with controller: true, or empty.
struct Identity {
  std::string_view namespace_name;
  std::string_view name;
  std::string_view uid;
  std::string_view resource_version;
  std::string_view owner_uid;
};

/// The identity of an object with a member `metadata`, or with a function identity(), that has members of these names.
template <typename T>
Identity identity_of(const T& object) {
  const auto from = [](const auto& source) {
    return Identity{source.namespace_name, source.name, source.uid, source.resource_version, source.owner_uid};
  };
  if constexpr (requires { object.metadata; }) {
    return from(object.metadata);
  } else {
    return from(object.identity());
  }
}

/// What a store can hold.
template <typename T>
concept StoredObject = requires(const T& object) {
  object.metadata;
}
|| requires(const T& object) {
  object.identity();
};

template <StoredObject T>
ObjectKey key_of(const T& object) {
  const Identity identity = identity_of(object);
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
