#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "common/object_identity.hpp"
#include "common/result.hpp"
#include "operator/api/object_meta.hpp"

namespace imageclassifier::api {

/// An object as caches keep it: the members of T one after the other in one block, a third of what they take as strings
/// and vectors of their own. Reading it back costs about a microsecond. Immutable; T is Deployment, ReplicaSet, Pod,
/// Service, Child, Revision, Event or PackedClassifier.
template <typename T>
class Record {
 public:
  explicit Record(const T& object);

  T object() const;
  /// Of the object, without reading the rest.
  ObjectMeta metadata() const;
  /// Valid as long as the record.
  ObjectIdentity identity() const;

 private:
  std::string_view bytes() const;
  std::unique_ptr<const char[]> block_;  ///< four bytes of length, then the members
};

/// A decoder of records from a decoder of objects.
template <typename T>
auto recorded(Result<T> (*decode)(std::string_view json)) {
  return [decode](std::string_view json) -> Result<Record<T>> {
    const Result<T> object = decode(json);
    if (!object) return fail(object.error());
    return Record<T>(*object);
  };
}

}  // namespace imageclassifier::api
